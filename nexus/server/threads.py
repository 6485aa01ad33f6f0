"""Threads that do what blocks: started when they are needed, kept while they are used.

Law: stdlib only. Whoever is free is asked first who was busy last, so that threads which nobody needs end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

BASE = 32
"""Threads that stay, however little there is to do."""

LINGER = 10.0
"""Seconds for which any further thread waits for another job."""

Job = Callable[[], None]
Result = TypeVar("Result")


class Full(Exception):
    """Every worker is busy, or they were stopped; the caller says so to the client instead of queueing."""


class Workers:
    """At most ``limit`` threads. Admission comes first: nothing ever waits in a queue."""

    def __init__(self, limit: int, linger: float = LINGER) -> None:
        self.limit = limit
        self._linger = linger
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy = 0
        self._stopped = False

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def idle(self) -> int:
        """Threads that wait for a job."""
        return len(self._idle)

    def start(self, job: Job) -> Future[None]:
        """Raises Full."""
        task = _Task(job)
        with self._lock:
            if self._stopped or self._busy >= self.limit:
                raise Full
            worker = self._idle.pop() if self._idle else None
            self._busy += 1
        if worker is not None:
            worker.tasks.put(task)
            return task.future
        try:
            _Worker(self, task).start()
        except RuntimeError as error:
            with self._lock:
                self._busy -= 1
            raise Full from error
        return task.future

    async def work(self, job: Callable[[], Result]) -> Result:
        """What a worker makes of it. Raises what the job does, and Full."""
        results: list[Result] = []
        await asyncio.wrap_future(self.start(lambda: results.append(job())))
        return results[0]

    def stop(self) -> None:
        """No more jobs; running ones are left alone, for the loop thread must not wait for them."""
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.tasks.put(None)

    def freed(self, worker: _Worker) -> bool:
        """A worker has done its job; whether it is to wait for another one."""
        with self._lock:
            self._busy -= 1
            if not self._stopped:
                self._idle.append(worker)
            return not self._stopped

    def next_task(self, worker: _Worker) -> _Task | None:
        """None where it is to end."""
        while True:
            with suppress(Empty):
                return worker.tasks.get(timeout=self._linger)
            with self._lock:
                # Who is no longer in the list has a task on its way.
                if worker in self._idle and len(self._idle) + self._busy > BASE:
                    self._idle.remove(worker)
                    return None


class _Task:
    __slots__ = ("future", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.future: Future[None] = Future()


class _Unawaited(threading.Event):
    """That a thread runs, of which nobody wants to know when: one condition does for all."""

    _nobody = threading.Condition()

    def __init__(self) -> None:
        self._cond, self._flag = self._nobody, False

    def wait(self, timeout: float | None = None) -> bool:
        return True


class _Worker(threading.Thread):
    def __init__(self, workers: Workers, first: _Task) -> None:
        super().__init__(name="nexus-worker", daemon=True)
        # ``Thread.start`` waits for it, and where many threads want to run it keeps the loop for long.
        self._started = _Unawaited()
        self.tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._workers = workers
        self._first: _Task | None = first

    def run(self) -> None:
        task, self._first = self._first, None
        while task is not None and self._do(task):
            # Nothing of a call stays behind in a thread that waits.
            task = None
            task = self._workers.next_task(self)

    def _do(self, task: _Task) -> bool:
        """Whether there may be more to do."""
        error: BaseException | None = None
        try:
            task.job()
        except BaseException as raised:  # noqa: BLE001 - handed to whoever asks for the result
            error = raised
        # Who waits for this job finds a free worker.
        goes_on = self._workers.freed(self)
        # Who waited may have been cancelled meanwhile.
        with suppress(InvalidStateError):
            if error is None:
                task.future.set_result(None)
            else:
                task.future.set_exception(error)
        return goes_on

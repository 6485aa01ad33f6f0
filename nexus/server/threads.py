"""A thread pool for blocking work: threads start on demand and end when idle.

Law: stdlib only. The thread that became idle last gets the next job, so that surplus threads stay idle and end.
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
"""Number of threads that are kept even if idle."""

LINGER = 10.0
"""Seconds that any further thread stays idle before it ends."""

Job = Callable[[], None]
Result = TypeVar("Result")


class Full(Exception):
    """Every worker is busy, or the pool was stopped. The caller reports this to the client instead of queueing."""


class Workers:
    """A pool of at most ``limit`` threads. Jobs never queue: they start at once or are rejected."""

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
        return len(self._idle)

    def start(self, job: Job) -> Task:
        """Starts the job on a thread. Raises Full."""
        task = Task(job)
        with self._lock:
            if self._stopped or self._busy >= self.limit:
                raise Full
            worker = self._idle.pop() if self._idle else None
            self._busy += 1
        if worker is not None:
            worker.tasks.put(task)
            return task
        try:
            _Worker(self, task).start()
        except RuntimeError as error:
            with self._lock:
                self._busy -= 1
            raise Full from error
        return task

    async def work(self, job: Callable[[], Result]) -> Result:
        """Runs the job on a thread and returns its result. Raises what the job raises, and Full."""
        results: list[Result] = []
        await asyncio.wrap_future(self.start(lambda: results.append(job())).future)
        return results[0]

    def stop(self) -> None:
        """Accepts no more jobs. Running jobs are left alone, because the loop thread must not wait for them."""
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.tasks.put(None)

    def freed(self, worker: _Worker) -> bool:
        """Notes that a worker finished its job; returns whether it should wait for another one."""
        with self._lock:
            self._busy -= 1
            if not self._stopped:
                self._idle.append(worker)
            return not self._stopped

    def next_task(self, worker: _Worker) -> Task | None:
        """Waits for the worker's next task; None if the worker should end."""
        while True:
            with suppress(Empty):
                return worker.tasks.get(timeout=self._linger)
            with self._lock:
                # A worker that is no longer listed as idle is about to get a task.
                if worker in self._idle and len(self._idle) + self._busy > BASE:
                    self._idle.remove(worker)
                    return None


class Task:
    """A job that was started."""

    __slots__ = ("_error", "_future", "_has_ended", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self._future: Future[None] | None = None
        self._has_ended = False
        self._error: BaseException | None = None

    @property
    def future(self) -> Future[None]:
        """The job's end, and the error that it ended with. Created on demand, because most callers need none."""
        future = self._future = self._future or Future()
        if self._has_ended:
            self._settle(future)
        return future

    def end(self, error: BaseException | None) -> None:
        """Marks the job as ended."""
        self._error, self._has_ended = error, True
        if self._future is not None:
            self._settle(self._future)

    def _settle(self, future: Future[None]) -> None:
        # It may have been cancelled, or settled by the other thread.
        with suppress(InvalidStateError):
            if self._error is None:
                future.set_result(None)
            else:
                future.set_exception(self._error)


class _Unawaited(threading.Event):
    """A thread's "started" event that nobody waits for: one condition serves all threads."""

    _nobody = threading.Condition()

    def __init__(self) -> None:
        self._cond, self._flag = self._nobody, False

    def wait(self, timeout: float | None = None) -> bool:
        return True


class _Worker(threading.Thread):
    def __init__(self, workers: Workers, first: Task) -> None:
        super().__init__(name="nexus-worker", daemon=True)
        # ``Thread.start`` waits for this event, which would block the loop for long when many threads are runnable.
        self._started = _Unawaited()
        self.tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._workers = workers
        self._first: Task | None = first

    def run(self) -> None:
        task, self._first = self._first, None
        while task is not None and self._do(task):
            # Keep no reference to a call while idle.
            task = None
            task = self._workers.next_task(self)

    def _do(self, task: Task) -> bool:
        """Runs the task; returns whether the worker should wait for another one."""
        error: BaseException | None = None
        try:
            task.job()
        except BaseException as raised:  # noqa: BLE001 - handed to whoever asks for the result
            error = raised
        # Before the result is set, so that whoever awaits it finds this worker free.
        goes_on = self._workers.freed(self)
        task.end(error)
        return goes_on

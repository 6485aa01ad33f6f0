"""A thread pool for blocking work: threads start on demand and end when idle.

The thread that became idle last is woken first, so that surplus threads stay idle and end. One thread
is woken at a time, and wakes the next one: woken all at once, they would only wait for the interpreter's lock. A job
that waits for its thread is taken by any thread that becomes free first.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

from nexus.errors import Overloaded

BASE = 32
"""Number of threads that are kept even if idle."""

LINGER = 10.0
"""Seconds that any further thread stays idle before it ends."""

Job = Callable[[], None]
Result = TypeVar("Result")


class Workers:
    """A pool of at most ``limit`` threads. Jobs never queue: they start at once or are rejected, with ``busy`` as the
    message to the client."""

    def __init__(self, limit: int, busy: str = "all threads are busy", linger: float = LINGER) -> None:
        self.limit = limit
        self.linger = linger
        self._refusal = busy
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._wakes = False
        self._busy = 0
        self._stopped = False

    @property
    def busy(self) -> int:
        """Jobs that have not ended."""
        return self._busy

    @property
    def idle(self) -> int:
        return len(self._idle)

    def start(self, job: Job) -> Task:
        """Starts the job on a thread. Raises Overloaded if none is free, or the pool was stopped."""
        task = Task(job)
        with self._lock:
            if self._stopped or self._busy >= self.limit:
                raise Overloaded(self._refusal, retry_after=1)
            self._busy += 1
            if len(self._waiting) < len(self._idle) + self._wakes:
                self._waiting.append(task)
                self._wake_next()
                return task
        try:
            _Worker(self, task).start()
        except RuntimeError as error:
            with self._lock:
                self._busy -= 1
            raise Overloaded(self._refusal, retry_after=1) from error
        return task

    async def work(self, job: Callable[[], Result]) -> Result:
        """Runs the job on a thread and returns its result. Raises what the job raises, and Overloaded."""
        results: list[Result] = []
        await asyncio.wrap_future(self.start(lambda: results.append(job())).future)
        return results[0]

    def stop(self) -> None:
        """Accepts no more jobs. Running jobs are left alone, because the loop thread must not wait for them."""
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.wake()

    def free(self, worker: _Worker) -> Task | None:
        """Notes that a worker finished its job; returns its next one, None if it should wait."""
        with self._lock:
            self._busy -= 1
            return self._next(worker)

    def woken(self, worker: _Worker) -> Task | None:
        """Returns the job of a woken worker, None if another one took it."""
        with self._lock:
            self._wakes = False
            task = self._next(worker)
            self._wake_next()
            return task

    def lets_end(self, worker: _Worker) -> bool:
        """Whether a worker that was idle for long should end. One that is no longer listed as idle is being woken, and
        all are needed while jobs wait."""
        with self._lock:
            ends = not self._waiting and worker in self._idle and len(self._idle) + self._busy > BASE
            if ends:
                self._idle.remove(worker)
            return ends

    @property
    def stopped(self) -> bool:
        return self._stopped

    # Call these under the lock.

    def _next(self, worker: _Worker) -> Task | None:
        if self._waiting:
            return self._waiting.popleft()
        if self._stopped:
            worker.wake()
        else:
            self._idle.append(worker)
        return None

    def _wake_next(self) -> None:
        if self._waiting and self._idle and not self._wakes:
            self._wakes = True
            self._idle.pop().wake()


class Task:
    __slots__ = ("_error", "_future", "_has_ended", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self._future: Future[None] | None = None
        self._has_ended = False
        self._error: BaseException | None = None

    @property
    def future(self) -> Future[None]:
        """Resolves when the job ends, or fails with its error. Created on demand, because most callers need none."""

        future = self._future = self._future or Future()
        if self._has_ended:
            self._settle(future)
        return future

    def end(self, error: BaseException | None) -> None:
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
        self._workers = workers
        self._first: Task | None = first
        self._sleep = threading.Lock()
        self._sleep.acquire()

    def wake(self) -> None:
        self._sleep.release()

    def run(self) -> None:
        task, self._first = self._first, None
        while task is not None:
            following = self._do(task)
            # Keep no reference to a call while idle.
            task = None
            task = following or self._wait()

    def _do(self, task: Task) -> Task | None:
        """Runs the task; returns the next one, None if there is none yet."""
        error: BaseException | None = None
        try:
            task.job()
        except BaseException as raised:  # noqa: BLE001 - raised for whoever awaits the result
            error = raised
        # Before the end is marked, so that whoever awaits it finds this worker free.
        following = self._workers.free(self)
        task.end(error)
        return following

    def _wait(self) -> Task | None:
        """Waits for a task; None if this worker should end."""
        while True:
            if self._sleep.acquire(timeout=self._workers.linger):
                if (task := self._workers.woken(self)) is not None or self._workers.stopped:
                    return task
            elif self._workers.lets_end(self):
                return None

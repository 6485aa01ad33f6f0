"""Where worker threads and the loop meet: a bounded pool, and one channel per call.

Law: stdlib only, and the only file that knows both sides. A worker may block here, the loop never does. The channel is
bounded in bytes, so a slow client stops the worker and with it the upstream; many pieces cost one wake-up of the loop.
After ``close`` or ``end`` nothing blocks any more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

CAPACITY = 256 * 1024
"""Bytes that may wait in a channel before its worker has to."""

Head = TypeVar("Head")
Result = TypeVar("Result")


class Full(Exception):
    """Every worker is busy, or the pool was stopped; the caller says so to the client instead of queueing."""


class Workers:
    """At most ``limit`` threads, started when needed. Admission comes first: nothing ever waits in a queue."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="nexus-worker")
        self._lock = threading.Lock()
        self._busy = 0

    @property
    def busy(self) -> int:
        return self._busy

    def start(self, job: Callable[[], None]) -> Future[None]:
        """Raises Full."""
        ticket = [job]
        with self._lock:
            if self._busy >= self.limit:
                raise Full
            try:
                future = self._pool.submit(self._run, ticket)
            except RuntimeError as error:
                # The pool has queued what it found no thread for: without its job the ticket is void.
                ticket.clear()
                raise Full from error
            self._busy += 1
            return future

    async def work(self, job: Callable[[], Result]) -> Result:
        """What a worker makes of it. Raises what the job does, and Full."""
        results: list[Result] = []
        await asyncio.wrap_future(self.start(lambda: results.append(job())))
        return results[0]

    def _run(self, ticket: list[Callable[[], None]]) -> None:
        with self._lock:
            jobs = list(ticket)
        try:
            for job in jobs:
                job()
        finally:
            with self._lock:
                self._busy -= len(jobs)

    def stop(self) -> None:
        """No more jobs; running ones are left alone, for the loop thread must not wait for them."""
        self._pool.shutdown(wait=False)


class Channel(Generic[Head]):
    """Carries one head, then pieces, then the end, from a worker to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._condition = threading.Condition()
        self._head: Head | None = None
        self._head_sent = False
        self._content_sent = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._over = False
        self._error: Exception | None = None
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    # The worker's side.

    def publish(self, head: Head, first: bytes, *, whole: bool = False) -> bool:
        """Hands over the head with the first piece. False, and neither taken: the loop sent its own head, or left.
        ``whole``: nothing follows but the end, and the loop learns of all at once.
        """
        with self._condition:
            if self._closed or self._head_sent:
                return False
            self._head, self._content_sent = head, True
            if first:
                self._pieces.append(first)
                self._size += len(first)
            if not whole:
                self._wake()
            return True

    def put(self, piece: bytes) -> bool:
        """Blocks while the channel is full. False: it was closed, nobody wants the piece."""
        with self._condition:
            while self._size >= CAPACITY and not self._closed:
                self._condition.wait()
            if self._closed:
                return False
            self._content_sent = True
            self._pieces.append(piece)
            self._size += len(piece)
            self._wake()
            return True

    def end(self, error: Exception | None = None, *, over: bool = False) -> None:
        """``over``: the worker does nothing any more for the call, so that nobody has to wait for it."""
        with self._condition:
            self._ended, self._over = True, over
            self._error = error
            self._wake()

    @property
    def head_sent(self) -> bool:
        """Whether a head has gone out, the worker's or the loop's own: no other status can be told any more."""
        return self._head_sent

    @property
    def content_sent(self) -> bool:
        """Whether anything of an answer was handed over: no other attempt may answer any more."""
        return self._content_sent

    # The loop's side.

    async def head(self, timeout: float | None) -> Head | None:
        """The worker's head; None when there is none within ``timeout`` seconds. Raises the error it ended with."""
        deadline = None if timeout is None else self._loop.time() + timeout
        while True:
            with self._condition:
                if self._head is not None:
                    self._head_sent = True
                    return self._head
                if self._ended:
                    raise self._error or RuntimeError("the worker ended without a head")
                waiter = self._wait()
            if not await self._woken(waiter, deadline):
                return None

    def commit(self) -> bool:
        """The loop sends its own head. False: the worker's is there after all."""
        with self._condition:
            self._head_sent = self._head is None and not self._ended
            return self._head_sent

    @property
    def is_over(self) -> bool:
        """Whether the worker has said that it does nothing any more."""
        return self._over

    def whole(self) -> bytes | None:
        """All of an answer that has ended well; None for any other."""
        with self._condition:
            if not self._ended or self._error is not None:
                return None
            pieces, self._pieces, self._size = self._pieces, [], 0
            return b"".join(pieces)

    async def take(self, timeout: float) -> list[bytes] | None:
        """All pieces that wait, [] after ``timeout`` seconds of silence, None at the end. Raises the end's error."""
        deadline = self._loop.time() + timeout
        while True:
            with self._condition:
                if self._pieces:
                    pieces, self._pieces, self._size = self._pieces, [], 0
                    self._condition.notify_all()
                    return pieces
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return None
                waiter = self._wait()
            if not await self._woken(waiter, deadline):
                return []

    def close(self) -> None:
        """Nobody reads any more; a worker blocked in ``put`` goes on and learns it."""
        with self._condition:
            self._closed = True
            self._pieces.clear()
            self._condition.notify_all()

    def _wait(self) -> asyncio.Future[None]:
        self._waiter = self._loop.create_future()
        return self._waiter

    async def _woken(self, waiter: asyncio.Future[None], deadline: float | None) -> bool:
        """Whether the worker woke us before the deadline."""
        timer = None if deadline is None else self._loop.call_at(deadline, _resolve, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
        with self._condition:
            woken, self._waiter = self._waiter is None, None
        return woken

    def _wake(self) -> None:
        """Under the condition's lock; one pending wake-up serves any number of pieces."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)

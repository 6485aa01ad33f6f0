"""Passes answers from worker threads to the loop: one channel per call.

Law: stdlib only, and the only file that knows both sides. A worker may block here; the loop never does. The channel is
bounded in bytes, so a slow client pauses the worker and with it the upstream. Many pieces cost one wake-up of the loop.
After ``close`` or ``end`` nothing blocks any more.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, Literal, TypeVar

CAPACITY = 256 * 1024
"""Bytes that a channel buffers before its worker blocks."""

BEHIND = 1.0
"""Maximum seconds that a worker waits for a loop that is behind."""

Head = TypeVar("Head")


class Bell:
    """Wakes the loop from any thread; until the loop reacts, any number of rings cost one wake-up.

    Does the same as ``call_soon_threadsafe`` at a third of the cost. Created and closed on the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._callbacks: deque[Callable[[], None]] = deque()
        self._rung = False
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        loop.add_reader(self._receiver, self._answer)

    def ring(self, callback: Callable[[], None]) -> None:
        """Makes the loop call ``callback`` soon; after ``close``, it is never called."""
        self._callbacks.append(callback)
        # If the bell is rung already, the loop will see this callback: it resets the flag before it takes callbacks.
        if not self._rung:
            self._rung = True
            self.pull()

    def pull(self) -> None:
        try:
            self._sender.send(b"!")
        except OSError:
            return  # the loop is gone

    def close(self) -> None:
        self.loop.remove_reader(self._receiver)
        self._receiver.close()
        self._sender.close()

    def _answer(self) -> None:
        self._receiver.recv(64)
        self._rung = False
        callbacks = self._callbacks
        for _ in range(len(callbacks)):
            callbacks.popleft()()


Pause = Literal["full", "silence", "end"]
"""Why ``flow`` returned."""


class Channel(Generic[Head]):
    """Carries one head, then pieces, then the end from a worker to the loop."""

    def __init__(self, bell: Bell) -> None:
        """``bell`` is shared by all channels of the loop."""
        self._bell = bell
        self._loop = bell.loop
        self._lock = threading.Lock()
        self._paused = threading.Lock()
        self._head: Head | None = None
        self._head_sent = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = self._over = self._closed = self._rung = self._waits = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._send: Callable[[bytes], bool] | None = None
        self._flow: asyncio.Future[Pause] | None = None
        self._sent_at = 0.0

    # The worker's side.

    def publish(self, head: Head, first: bytes, *, whole: bool = False) -> bool:
        """Hands over the head with the first piece. Returns False, and takes neither, if the loop sent its own head or
        closed the channel. ``whole``: only the end follows; the loop is woken then, for everything at once.
        """
        with self._lock:
            if self._closed or self._head_sent:
                return False
            self._head = head
            if first:
                self._pieces.append(first)
                self._size += len(first)
            callback = None if whole else self._callback_to_wake()
        self._wake(callback)
        return True

    def put(self, piece: bytes) -> bool:
        """Adds a piece; blocks while the channel is full. Returns False if the channel was closed."""
        with self._lock:
            while self._size >= CAPACITY and not self._closed:
                self._pause_worker()
            if self._closed:
                return False
            self._pieces.append(piece)
            self._size += len(piece)
            if self._rung and self._send is not None:
                # The loop is behind. Workers that kept producing would starve it, and new calls. When it gets here, it
                # sends this piece and the pending ones in one write.
                self._pause_worker(BEHIND)
                return not self._closed
            callback = self._callback_to_wake()
        self._wake(callback)
        return True

    def end(self, error: Exception | None = None, *, over: bool = False) -> None:
        """Ends the answer. ``over``: the worker does nothing more for the call, so the loop need not wait for it."""
        with self._lock:
            self._ended, self._over = True, over
            self._error = error
            callback = self._callback_to_wake()
        self._wake(callback)

    # The loop's side.

    async def head(self, timeout: float | None) -> Head | None:
        """Returns the worker's head, or None after ``timeout`` seconds. Raises the error that the worker ended with."""
        deadline = None if timeout is None else self._loop.time() + timeout
        while True:
            with self._lock:
                if self._head is not None:
                    self._head_sent = True
                    return self._head
                if self._ended:
                    raise self._error or RuntimeError("the worker ended without a head")
                waiter = self._waiter = self._loop.create_future()
            if not await self._woken(waiter, deadline):
                return None

    def commit(self) -> bool:
        """Reserves the head for the loop. Returns False if the worker's head or end has arrived meanwhile."""
        with self._lock:
            self._head_sent = self._head is None and not self._ended
            return self._head_sent

    @property
    def is_over(self) -> bool:
        """Whether the worker ended with ``over``."""
        return self._over

    def whole(self) -> bytes | None:
        """Returns the whole answer if it has ended without an error; else None."""
        with self._lock:
            if not self._ended or self._error is not None:
                return None
            pieces, self._pieces, self._size = self._pieces, [], 0
            return b"".join(pieces)

    async def take(self, timeout: float) -> list[bytes] | None:
        """Returns all buffered pieces, [] after ``timeout`` seconds without any, None at the end. Raises the end's
        error."""
        deadline = self._loop.time() + timeout
        while True:
            with self._lock:
                if self._pieces:
                    self._resume_worker()
                    pieces, self._pieces, self._size = self._pieces, [], 0
                    return pieces
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return None
                waiter = self._waiter = self._loop.create_future()
            if not await self._woken(waiter, deadline):
                return []

    async def flow(self, send: Callable[[bytes], bool], timeout: float) -> Pause:
        """Sends pieces as they arrive, without waking the calling task for each. Returns "full" when ``send`` returned
        False, because a piece is not fully written; "silence" after ``timeout`` seconds without a piece; or "end".
        Raises the end's error, and what ``send`` raises.
        """
        flow: asyncio.Future[Pause] = self._loop.create_future()
        self._flow = flow
        self._send, self._sent_at = send, self._loop.time()
        self._timer = self._loop.call_later(timeout, self._check_silence, timeout)
        self._deliver()
        try:
            return await flow
        finally:
            self._timer.cancel()
            self._send = self._flow = None
            # Break the cycle: an error in the future refers to this frame.
            del flow

    def _check_silence(self, timeout: float) -> None:
        """Checks for silence, when it is due at the earliest: a timer per piece would cost more than the piece."""
        due = self._sent_at + timeout
        # With a piece pending there is no silence, however late the loop is.
        if self._rung or self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._check_silence, timeout)
        elif self._flow is not None and not self._flow.done():
            self._flow.set_result("silence")

    def _deliver(self) -> None:
        """Sends all buffered pieces; on the loop."""
        with self._lock:
            self._rung = False
            self._resume_worker()
            flow, send = self._flow, self._send
            if flow is None or send is None or flow.done():
                return
            pieces, ended = self._pieces, self._ended
            if pieces:
                self._pieces, self._size = [], 0
        try:
            if pieces:
                self._sent_at = self._loop.time()
                if not send(pieces[0] if len(pieces) == 1 else b"".join(pieces)):
                    flow.set_result("full")
                    return
            if ended and self._error is not None:
                flow.set_exception(self._error)
            elif ended:
                flow.set_result("end")
        except Exception as error:  # noqa: BLE001 - raised by ``flow``
            flow.set_exception(error)

    def close(self) -> None:
        """Closes the channel for reading; a worker blocked in ``put`` returns False."""
        with self._lock:
            self._closed = True
            self._pieces.clear()
            self._resume_worker()

    async def _woken(self, waiter: asyncio.Future[None], deadline: float | None) -> bool:
        """Waits; returns whether the worker woke the loop before the deadline."""
        timer = None if deadline is None else self._loop.call_at(deadline, _resolve, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
        with self._lock:
            woken, self._waiter = self._waiter is None, None
        return woken

    def _resume_worker(self) -> None:
        """Wakes the worker that waits in ``_pause_worker``. Call it under the lock."""
        if self._waits:
            self._waits = False
            self._paused.release()

    def _pause_worker(self, seconds: float = -1) -> None:
        """Waits for ``_resume_worker``, at most ``seconds``, without limit if below 0. Call it under the lock, which is
        released meanwhile."""
        self._paused.acquire(blocking=False)
        self._waits = True
        self._lock.release()
        self._paused.acquire(timeout=seconds)
        self._lock.acquire()

    def _callback_to_wake(self) -> Callable[[], None] | None:
        """Returns the callback to wake the loop for; None if it is already woken or does not wait. Call it under the
        lock."""
        if self._send is not None:
            rung, self._rung = self._rung, True
            return None if rung else self._deliver
        waiter, self._waiter = self._waiter, None
        return None if waiter is None else partial(_resolve, waiter)

    def _wake(self, callback: Callable[[], None] | None) -> None:
        """Wakes the loop for ``callback``, if any. Call it without the lock, which the loop needs at once."""
        if callback is not None:
            self._bell.ring(callback)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)

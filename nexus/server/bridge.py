"""Where worker threads and the loop meet: one channel per call.

Law: stdlib only, and the only file that knows both sides. A worker may block here, the loop never does. The channel is
bounded in bytes, so a slow client stops the worker and with it the upstream; many pieces cost one wake-up of the loop.
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
"""Bytes that may wait in a channel before its worker has to."""

BEHIND = 1.0
"""Seconds that a worker waits for a loop which is behind."""

Head = TypeVar("Head")


class Bell:
    """Wakes the loop: rung any number of times, by any threads, it costs one wake-up until the loop has come.

    It does what ``call_soon_threadsafe`` does at a third of the cost. Made and closed on the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._callbacks: deque[Callable[[], None]] = deque()
        self._rung = False
        self._ear, self._cord = socket.socketpair()
        self._ear.setblocking(False)
        self._cord.setblocking(False)
        loop.add_reader(self._ear, self._answer)

    def ring(self, callback: Callable[[], None]) -> None:
        """Has the loop call it soon; after the end nobody does."""
        self._callbacks.append(callback)
        # Who finds it rung comes before the loop looks: it forgets that first.
        if not self._rung:
            self._rung = True
            self.pull()

    def pull(self) -> None:
        """Wakes the loop."""
        try:
            self._cord.send(b"!")
        except OSError:
            return  # the loop is gone

    def close(self) -> None:
        self.loop.remove_reader(self._ear)
        self._ear.close()
        self._cord.close()

    def _answer(self) -> None:
        self._ear.recv(64)
        self._rung = False
        callbacks = self._callbacks
        for _ in range(len(callbacks)):
            callbacks.popleft()()


Pause = Literal["full", "silence", "end"]
"""Why pieces do not flow."""


class Channel(Generic[Head]):
    """Carries one head, then pieces, then the end, from a worker to the loop."""

    def __init__(self, bell: Bell) -> None:
        """``bell`` is the loop's, for all of its channels."""
        self._bell = bell
        self._loop = bell.loop
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._head: Head | None = None
        self._head_sent = self._content_sent = False
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
        """Hands over the head with the first piece. False, and neither taken: the loop sent its own head, or left.
        ``whole``: nothing follows but the end, and the loop learns of all at once.
        """
        with self._lock:
            if self._closed or self._head_sent:
                return False
            self._head, self._content_sent = head, True
            if first:
                self._pieces.append(first)
                self._size += len(first)
            callback = None if whole else self._wanted()
        self._wake(callback)
        return True

    def put(self, piece: bytes) -> bool:
        """Blocks while the channel is full. False: it was closed, nobody wants the piece."""
        with self._lock:
            while self._size >= CAPACITY and not self._closed:
                self._stay()
            if self._closed:
                return False
            self._content_sent = True
            self._pieces.append(piece)
            self._size += len(piece)
            if self._rung and self._send is not None:
                # Workers that always have more to say would keep the loop waiting, and calls that begin. What the
                # loop comes for then leaves in one write with this piece.
                self._stay(BEHIND)
                return not self._closed
            callback = self._wanted()
        self._wake(callback)
        return True

    def end(self, error: Exception | None = None, *, over: bool = False) -> None:
        """``over``: the worker does nothing any more for the call, so that nobody has to wait for it."""
        with self._lock:
            self._ended, self._over = True, over
            self._error = error
            callback = self._wanted()
        self._wake(callback)

    @property
    def content_sent(self) -> bool:
        """Whether anything of an answer was handed over: no other attempt may answer any more."""
        return self._content_sent

    # The loop's side.

    async def head(self, timeout: float | None) -> Head | None:
        """The worker's head; None when there is none within ``timeout`` seconds. Raises the error it ended with."""
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
        """The loop sends its own head. False: the worker's is there after all."""
        with self._lock:
            self._head_sent = self._head is None and not self._ended
            return self._head_sent

    @property
    def is_over(self) -> bool:
        """Whether the worker has said that it does nothing any more."""
        return self._over

    def whole(self) -> bytes | None:
        """All of an answer that has ended well; None for any other."""
        with self._lock:
            if not self._ended or self._error is not None:
                return None
            pieces, self._pieces, self._size = self._pieces, [], 0
            return b"".join(pieces)

    async def take(self, timeout: float) -> list[bytes] | None:
        """All pieces that wait, [] after ``timeout`` seconds of silence, None at the end. Raises the end's error."""
        deadline = self._loop.time() + timeout
        while True:
            with self._lock:
                if self._pieces:
                    self._let_on()
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
        """Has pieces sent as they come, without waking anybody for them, until there is something to decide: "full"
        when ``send`` said False, since a piece is not out yet; "silence" after ``timeout`` seconds without a piece; or
        "end". Raises the end's error, and what ``send`` raises.
        """
        flow: asyncio.Future[Pause] = self._loop.create_future()
        self._flow = flow
        self._send, self._sent_at = send, self._loop.time()
        self._timer = self._loop.call_later(timeout, self._look, timeout)
        self._deliver()
        try:
            return await flow
        finally:
            self._timer.cancel()
            self._send = self._flow = None
            # An error in it holds this frame.
            del flow

    def _look(self, timeout: float) -> None:
        """Comes when it could have been silent for so long: a timer for each piece would cost more than the piece."""
        due = self._sent_at + timeout
        # A piece that waits is no silence, however late the loop is.
        if self._rung or self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._look, timeout)
        elif self._flow is not None and not self._flow.done():
            self._flow.set_result("silence")

    def _deliver(self) -> None:
        """Sends what waits; on the loop."""
        with self._lock:
            self._rung = False
            self._let_on()
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
        """Nobody reads any more; a worker blocked in ``put`` goes on and learns it."""
        with self._lock:
            self._closed = True
            self._pieces.clear()
            self._let_on()

    async def _woken(self, waiter: asyncio.Future[None], deadline: float | None) -> bool:
        """Whether the worker woke us before the deadline."""
        timer = None if deadline is None else self._loop.call_at(deadline, _resolve, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
        with self._lock:
            woken, self._waiter = self._waiter is None, None
        return woken

    def _let_on(self) -> None:
        """Under the lock: a worker that waits looks again when it is given up."""
        if self._waits:
            self._waits = False
            self._turn.release()

    def _stay(self, seconds: float = -1) -> None:
        """Under the lock, which is free meanwhile: waits for ``_let_on``; for so long, or below 0 without an end."""
        self._turn.acquire(blocking=False)
        self._waits = True
        self._lock.release()
        self._turn.acquire(timeout=seconds)
        self._lock.acquire()

    def _wanted(self) -> Callable[[], None] | None:
        """What the loop is to be woken for, under the lock; nothing where it is on its way or does not wait."""
        if self._send is not None:
            rung, self._rung = self._rung, True
            return None if rung else self._deliver
        waiter, self._waiter = self._waiter, None
        return None if waiter is None else partial(_resolve, waiter)

    def _wake(self, callback: Callable[[], None] | None) -> None:
        """Not under the lock, which the loop needs at once."""
        if callback is not None:
            self._bell.ring(callback)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)

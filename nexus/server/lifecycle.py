"""The phase of a server between start and end, and the requests that it has yet to answer.

Loop thread only. A request is busy from its complete head until its answer is written and its worker is done. Only the
last phase rejects requests; until then, every one is answered.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum

from nexus.server.sockets.shares import Share


class ServerPhase(IntEnum):
    STARTING = 0
    SERVING = 1
    LEAVING = 2
    """Still listening, but no longer ready: load balancers and clients should go elsewhere."""

    DRAINING = 3
    """No longer listening; open connections are still served."""

    ENDING = 4
    """Time is up: calls in flight are ended, new ones are rejected."""


class Lifecycle:
    """The lifecycle of one process; ``share`` is its connection count if several processes serve together."""

    def __init__(self, share: Share | None = None) -> None:
        self.phase = ServerPhase.STARTING
        self.share = share
        self._busy: set[object] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_ready(self) -> bool:
        """Whether new connections are accepted, by this process or another one on the same sockets."""
        return self.phase is ServerPhase.SERVING if self.share is None else self.share.is_anybody_serving

    @property
    def is_stopping(self) -> bool:
        return self.phase > ServerPhase.SERVING

    @property
    def is_alone(self) -> bool:
        """Whether no other process will keep listening when this one stops."""
        return self.share is None or self.share.is_stopping

    def enter(self, who: object) -> None:
        self._busy.add(who)
        self._idle.clear()

    def leave(self, who: object) -> None:
        """May be called more than once."""
        self._busy.discard(who)
        if not self._busy:
            self._idle.set()

    async def idle(self, seconds: float) -> bool:
        """Waits until no request is busy; returns False if that takes longer than ``seconds``."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

"""Where a server stands between its start and its end, and what it still owes an answer.

Loop thread only. Whoever is owed something is in ``busy`` from the first whole head on until its answer is out and
its worker is done. Only the last phase refuses: until then every request that comes is answered.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum

from nexus.server.shares import Share


class Phase(IntEnum):
    STARTING = 0
    SERVING = 1
    LEAVING = 2
    """It still listens, and tells load balancers and clients to go elsewhere."""

    DRAINING = 3
    """It listens no more; what is connected is served to its end."""

    ENDING = 4
    """Time is up: what runs is ended, what comes is refused."""


class Lifecycle:
    """Of one process; ``share`` is its part of the connections, where several processes serve together."""

    def __init__(self, share: Share | None = None) -> None:
        self.phase = Phase.STARTING
        self.share = share
        self._busy: set[object] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_ready(self) -> bool:
        """Whether new connections are welcome, at this process or at another one that listens with it."""
        return self.phase is Phase.SERVING if self.share is None else self.share.is_anybody_serving

    @property
    def is_stopping(self) -> bool:
        return self.phase > Phase.SERVING

    @property
    def is_alone(self) -> bool:
        """Whether nobody else listens when this process no longer does."""
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
        """Waits until nothing is owed any more; whether that came true in time."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

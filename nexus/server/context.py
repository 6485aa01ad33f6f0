"""The context that all handlers of a server share: settings, gateway, workers and running calls.

Law: loop thread only. A call is in ``calls`` from its start until both the client and the worker are done with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from nexus.bridge import Full, Workers
from nexus.call import Call
from nexus.errors import Overloaded
from nexus.gateway.stages import Gateway
from nexus.server.flight import BytesInFlight
from nexus.server.guards import Guards
from nexus.settings import Settings

Result = TypeVar("Result")


@dataclass(slots=True)
class ServerContext:
    settings: Settings
    gateway: Gateway
    workers: Workers
    guards: Guards
    flight: BytesInFlight
    draining: bool = False
    calls: dict[str, Call] = field(default_factory=dict)
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def counts_requests(self) -> bool:
        """Whether ``admit`` has anything to say."""
        return self.gateway.admission.counts_requests

    async def admit(self, address: str) -> None:
        """Counts a request before anybody asks who sent it. Raises LimitExceeded and Overloaded."""
        admission = self.gateway.admission
        if not admission.blocks:
            admission.admit(address)
            return
        await self.work(partial(admission.admit, address))

    async def work(self, job: Callable[[], Result]) -> Result:
        """What a worker makes of it. Raises what the job does, and Overloaded where no worker is free."""
        results: list[Result] = []
        try:
            running = self.workers.start(lambda: results.append(job()))
        except Full:
            raise Overloaded("every worker of the gateway is busy", retry_after=1) from None
        await asyncio.wrap_future(running)
        return results[0]

    def enter(self, call: Call) -> None:
        """Raises Overloaded while the server stops."""
        if self.draining:
            raise Overloaded("the gateway is stopping", retry_after=1)
        self.calls[call.id] = call

    def leave(self, call: Call) -> None:
        self.calls.pop(call.id, None)
        if self.draining and not self.calls:
            self._empty.set()

    async def drain(self, seconds: float) -> bool:
        """Lets running calls end; whether they all did in time."""
        self.draining = True
        if not self.calls:
            return True
        self._empty.clear()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True

"""The context that all handlers of a server share: settings, gateway, workers and running calls.

Law: loop thread only. A call is in ``calls`` from its start until both the client and the worker are done with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from nexus.accounting.record import CallRecord, Consumer
from nexus.bridge import Full, Workers
from nexus.errors import Overloaded
from nexus.gateway.stages import Gateway
from nexus.relay.exchange import CallState
from nexus.server.flight import BytesInFlight
from nexus.server.guards import Guards
from nexus.settings import Settings
from nexus.telemetry.access_log import log_call

log = logging.getLogger("nexus.server")

Result = TypeVar("Result")


@dataclass(slots=True)
class ServerContext:
    settings: Settings
    gateway: Gateway
    workers: Workers
    guards: Guards
    flight: BytesInFlight
    draining: bool = False
    consumers: tuple[Consumer, ...] = (log_call,)
    calls: dict[str, CallState] = field(default_factory=dict)
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

    def enter(self, state: CallState) -> None:
        """Raises Overloaded while the server stops."""
        if self.draining:
            raise Overloaded("the gateway is stopping", retry_after=1)
        self.calls[state.call.id] = state

    def leave(self, state: CallState) -> None:
        self.calls.pop(state.call.id, None)
        if self.draining and not self.calls:
            self._empty.set()

    def finished(self, record: CallRecord) -> None:
        """Tells everybody who counts calls; one who fails spoils nothing for the others."""
        for consumer in self.consumers:
            try:
                consumer(record)
            except Exception:
                log.exception("a finished call could not be counted", extra={"fields": {"id": record.id}})

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

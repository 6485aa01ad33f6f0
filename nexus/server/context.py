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
from nexus.server.lifecycle import Lifecycle, Phase
from nexus.settings import Settings
from nexus.telemetry.access_log import log_call

log = logging.getLogger("nexus.server")

STOPPING = "the gateway is stopping"

Result = TypeVar("Result")


@dataclass(slots=True)
class ServerContext:
    settings: Settings
    gateway: Gateway
    workers: Workers
    guards: Guards
    flight: BytesInFlight
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    consumers: tuple[Consumer, ...] = (log_call,)
    calls: dict[str, CallState] = field(default_factory=dict)

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
        """Raises Overloaded once the calls that run are being ended."""
        if self.lifecycle.phase is Phase.ENDING:
            raise Overloaded(STOPPING, retry_after=1)
        self.calls[state.call.id] = state
        self.lifecycle.enter(state.call.id)

    def leave(self, state: CallState) -> None:
        self.calls.pop(state.call.id, None)
        self.lifecycle.leave(state.call.id)

    def finished(self, record: CallRecord) -> None:
        """Tells everybody who counts calls; one who fails spoils nothing for the others."""
        for consumer in self.consumers:
            try:
                consumer(record)
            except Exception:
                log.exception("a finished call could not be counted", extra={"fields": {"id": record.id}})

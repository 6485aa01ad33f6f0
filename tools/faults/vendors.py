"""Vendor faults: each is one answer of the vendor, and returns what the client saw."""

from __future__ import annotations

import time

from tools.fake_upstream import Behaviour, FakeUpstream
from tools.faults.clients import Fault
from tools.faults.gateway import CHAT, MESSAGES, GatewayProcess


def answers(behaviour: Behaviour, *, stream: bool = False, path: str = CHAT) -> Fault:
    def fault(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
        vendor.next(behaviour)
        return str(gateway.ask({"stream": stream}, path))

    return fault


def always(behaviour: Behaviour) -> Fault:
    def fault(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
        vendor.default = behaviour
        try:
            return str(gateway.ask({}))
        finally:
            vendor.default = Behaviour()

    return fault


def asks_for(model: str) -> Fault:
    return lambda gateway, vendor: str(gateway.ask({"model": model}))


def idles(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    """Lets pooled connections idle for longer than the pool keeps them, then calls again."""
    statuses = []
    for _ in range(2):
        with gateway.client() as client:
            statuses.append(client.call({}).status)
        time.sleep(2.5)
    return ", ".join(map(str, statuses))


FAULTS: dict[str, tuple[Fault, str]] = {
    "closes a kept connection": (answers(Behaviour(close_before_head=True)), "200"),
    "resets a kept connection": (answers(Behaviour(reset_after=0)), "200"),
    "closes every connection before its head": (always(Behaviour(close_before_head=True)), "502"),
    "resets every connection before its head": (always(Behaviour(reset_after=0)), "502"),
    "never answers": (answers(Behaviour(hang=True)), "504"),
    "answers with bytes that are not HTTP": (answers(Behaviour(garbage="http")), "502"),
    "answers with invalid JSON": (answers(Behaviour(garbage="json"), path=MESSAGES), "502"),
    "breaks its stream": (answers(Behaviour(garbage="sse"), stream=True, path=MESSAGES), "502"),
    "cuts a stream after 2 events": (answers(Behaviour(cut_after=2), stream=True), "cut"),
    "resets a stream after 2 events": (answers(Behaviour(reset_after=2), stream=True, path=MESSAGES), "cut"),
    "falls silent in a stream": (answers(Behaviour(event_delay=600, only_before=4), stream=True), "cut"),
    "is overloaded": (answers(Behaviour(status=503)), "503"),
    "refuses the configured key": (answers(Behaviour(status=401)), "401"),
    "is not there": (asks_for("nobody/gpt-4"), "502"),
    "has an unknown host name": (asks_for("nowhere/gpt-4"), "502"),
    "drops idle connections": (idles, "200, 200"),
}
"""Each fault by name, with the expected beginning of what its client sees."""

"""Faults of several vendors in one call: each target that is tried may fail in its own way.

All targets of the virtual model ``both`` are one fake vendor, which follows its queue of behaviours.
"""

from __future__ import annotations

from tools.fake_upstream import Behaviour, FakeUpstream
from tools.faults.clients import Fault
from tools.faults.gateway import CHAT, MESSAGES, GatewayProcess, body, until
from tools.raw_client import request

MODEL = "both"


def after(*behaviours: Behaviour, stream: bool = False, path: str = CHAT, model: str = MODEL) -> Fault:
    """One behaviour for each attempt; the fault returns what the client saw and the outcome of each attempt."""

    def fault(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
        vendor.next(*behaviours)
        seen = gateway.ask({"model": model, "stream": stream}, path)
        if isinstance(seen, str):
            return seen
        tried = [attempt.rpartition("=")[2] for attempt in seen.headers.get("x-nexus-tried", "").split(", ")]
        return f"{seen.status} after {', '.join(tried)}"

    return fault


def leaves(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    """The client disconnects while the second vendor is silent; counts that vendor's disconnects."""
    lost, asked = len(vendor.disconnects), len(vendor.requests)
    vendor.next(Behaviour(status=503), Behaviour(hang=True))
    with gateway.client() as client:
        client.send(request(CHAT, body({"model": MODEL})))
        until(lambda: len(vendor.requests) > asked + 1)
    until(lambda: len(vendor.disconnects) > lost)
    return f"{len(vendor.disconnects) - lost} call of the vendor ended"


_DOWN = Behaviour(status=503)

FAULTS: dict[str, tuple[Fault, str]] = {
    "is down, the second answers": (after(_DOWN), "200 after 503, 200"),
    "is down, the second streams": (after(_DOWN, stream=True, path=MESSAGES), "200 after 503, 200"),
    "breaks off, the second answers": (after(Behaviour(cut_after=1), stream=True), "200 after cut, 200"),
    "is over its quota, the second is busy": (
        after(Behaviour(status=429), Behaviour(status=529)),
        "529 after 429, 529",
    ),
    "is down, the second too": (after(_DOWN, Behaviour(status=500)), "500 after 503, 500"),
    "is down, the second closes its connection": (
        after(_DOWN, Behaviour(close_before_head=True), Behaviour(close_before_head=True)),
        "502 after 503, cut",
    ),
    "is down, the second refuses the key": (after(_DOWN, Behaviour(status=401)), "401 after 503, 401"),
    "is down, the second refuses the request": (after(_DOWN, Behaviour(status=400)), "400 after 503, 400"),
    "is down, the second speaks no protocol": (
        after(_DOWN, Behaviour(garbage="json"), path=MESSAGES),
        "502 after 503, 200",
    ),
    "is down, the second never answers": (after(_DOWN, Behaviour(hang=True)), "504 after 503, timeout"),
    "is down, the second cuts its stream": (after(_DOWN, Behaviour(cut_after=4), stream=True), "cut"),
    "is down, the second resets its stream": (
        after(_DOWN, Behaviour(reset_after=4), stream=True, path=MESSAGES),
        "cut",
    ),
    "says nothing, the second answers": (
        after(Behaviour(hang=True), stream=True, model="patient"),
        "200 after timeout, 200",
    ),
    "is down, the client leaves the second": (leaves, "1 call"),
}
"""Each fault by name, with the expected beginning of what its client sees."""

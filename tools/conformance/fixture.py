"""What a rule works with: the gateway, optionally our upstream behind it, and identifiable requests.

Every request carries a unique mark, which finds it among everything else that the gateway sends to the upstream.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from nexus.wire import Json
from tools.conformance import bodies
from tools.conformance.bodies import Body
from tools.conformance.client import Answer, Client
from tools.conformance.findings import Findings
from tools.conformance.upstream import Upstream
from tools.fake_upstream import FakeUpstream, SeenRequest

MESSAGES = "/v1/messages"
BETA_QUERY = "?beta=true"


@dataclass(frozen=True, slots=True)
class Cloud:
    """Claude on another vendor's cloud, which the gateway serves as ``model``."""

    name: str
    model: str
    upstream: FakeUpstream


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as sent (``sent``, ``raw``) and as it arrived at the upstream."""

    sent: Body
    raw: bytes
    request: SeenRequest

    @property
    def document(self) -> dict[str, Json]:
        return self.request.json if isinstance(self.request.json, dict) else {}

    def header(self, name: str) -> str:
        """The header's values, joined with commas; "" if missing."""
        return ", ".join(value for key, value in self.request.headers if key.lower() == name)

    @property
    def betas(self) -> list[str]:
        return split(self.header("anthropic-beta"))

    @property
    def same_bytes(self) -> bool:
        """Whether the body is byte for byte what was sent, except for the model's name."""
        there = self.document.get("model")
        known = isinstance(there, str)
        wanted = self.raw.replace(quoted(self.sent["model"]), quoted(there), 1) if known else self.raw
        return wanted == self.request.body


@dataclass(frozen=True, slots=True)
class Fixture:
    """``silence`` is the number of seconds that a stream may be silent, 0 to skip that check; ``bedrock`` is the client
    for Bedrock's format, None if that has the same URL.
    """

    client: Client
    model: str
    upstream: Upstream | None = None
    silence: float = 25.0
    clouds: tuple[Cloud, ...] = ()
    bedrock: Client | None = None

    @property
    def patience(self) -> float:
        """Timeout in seconds for data that should arrive immediately."""
        return min(self.client.timeout, 10.0)

    def ask(self, body: Mapping[str, Json], headers: Mapping[str, str], path: str = MESSAGES + BETA_QUERY) -> Answer:
        return self.client.send("POST", path, bodies.encode(body), headers)

    def arrival(self, findings: Findings, what: str, body: Body, headers: Mapping[str, str]) -> Arrival | None:
        """Sends a request; returns it as it arrived at our upstream, or None, with a finding, if the call failed."""
        if self.upstream is None:
            findings.needs(what)
            return None
        mark = new_mark()
        body["messages"][-1]["content"].append({"type": "text", "text": f"({mark})"})
        answer = self.ask(body, headers)
        seen = self.upstream.arrived(mark)
        if seen is None:
            findings.expect(False, "the request at the upstream", f"nothing arrived; the client got {answer.brief}")
            return None
        if not findings.expect(answer.status == 200, "200", answer.brief):
            return None
        arrival = Arrival(body, bodies.encode(body), seen)
        if not arrival.same_bytes:
            findings.note("the body was serialised anew on its way; judged by meaning and order")
        return arrival


def new_mark() -> str:
    return f"mark-{secrets.token_hex(6)}"


def split(value: str) -> list[str]:
    return [name for part in value.split(",") if (name := part.strip())]


def quoted(name: Json) -> bytes:
    return bodies.encode(name)

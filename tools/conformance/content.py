"""C4, C5 and C6: system, cache marks and history arrive unchanged.

Compares the JSON by meaning and order, text by character; a gateway may change white space between tokens.
"""

from __future__ import annotations

from nexus.wire import Json, mapping, sequence, text
from tools.conformance import bodies
from tools.conformance.compare import brief, difference, marks
from tools.conformance.findings import Findings
from tools.conformance.fixture import Arrival, Fixture, new_mark

HISTORY = "earlier messages"


def c04(fixture: Fixture, findings: Findings) -> None:
    arrival = _arrival(fixture, findings, "the system prompt")
    if arrival is None:
        return
    sent, there = arrival.sent["system"], arrival.document.get("system")
    if not findings.expect(
        isinstance(there, list), f"system as an array of {len(sent)} blocks", f"it is {brief(there)}"
    ):
        return
    first = mapping(sequence(there)[0] if there else None).get("text")
    alone = "the attribution block first, in an entry of its own"
    if findings.expect(first == sent[0]["text"], alone, f"first is {brief(first)}"):
        found = difference([block["text"] for block in sent], _texts(there), "system")
        findings.expect(found is None, "the same entries in the same order", found or "")


def c05(fixture: Fixture, findings: Findings) -> None:
    arrival = _arrival(fixture, findings, "cache marks")
    if arrival is None:
        return
    there = marks(arrival.document, "cache_control")
    for path, mark in marks(arrival.sent, "cache_control").items():
        found = difference(mark, there.get(path), path)
        findings.expect(found is None, f"cache_control at {path.removesuffix('.cache_control')}", found or "")
    for at, (sent, seen) in enumerate(zip(_contents(arrival.sent), _contents(arrival.document), strict=False)):
        kept = isinstance(sent, str) or isinstance(seen, list)
        findings.expect(kept, f"messages.{at}.content as blocks", f"it is {brief(seen)}")


def c06(fixture: Fixture, findings: Findings) -> None:
    arrival = _arrival(fixture, findings, HISTORY)
    if arrival is None:
        return
    for name in ("system", "tools", "messages"):
        found = difference(arrival.sent[name], arrival.document.get(name), name)
        findings.expect(found is None, f"{name} unchanged, for signed thinking is bound to it", found or "")


def _arrival(fixture: Fixture, findings: Findings, what: str) -> Arrival | None:
    return fixture.arrival(findings, what, bodies.session(fixture.model, new_mark()), bodies.headers(*bodies.BETAS))


def _texts(system: Json) -> list[Json]:
    return [text(mapping(block).get("text")) for block in sequence(system)]


def _contents(document: Json) -> list[Json]:
    return [mapping(message).get("content") for message in sequence(mapping(document).get("messages"))]

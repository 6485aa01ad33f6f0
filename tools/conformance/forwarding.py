"""C2, C12 and C14: which headers and fields the gateway forwards.

A gateway may add headers and fields, but must not remove or change any, not even unknown ones.
"""

from __future__ import annotations

from dataclasses import replace

from tools.conformance import bodies
from tools.conformance.compare import ANY, difference, find
from tools.conformance.findings import Findings
from tools.conformance.fixture import Fixture, new_mark, split

OTHER_VERSION = "2023-01-01"
LATER = {"anthropic-made-up-for-later": "1; a=b"}

FIELDS = (
    ("a top-level field", ("made_up_field",)),
    ("a field of a tool", ("tools", ANY, "made_up_tool_field")),
    ("a field of cache_control", ("system", ANY, "cache_control", "made_up_scope")),
    ("a block of an unknown type", ("messages", ANY, "content", ANY, "payload")),
    ("context_management", ("context_management",)),
    ("output_config", ("output_config",)),
    ("thinking", ("thinking",)),
    ("metadata", ("metadata",)),
)

HINTS = {
    "x-claude-code-session-id": bodies.SESSION,
    "x-claude-code-agent-id": "a1b2c3d4e5f60718",
    "x-claude-code-parent-agent-id": "0f1e2d3c4b5a6978",
    "x-claude-code-request-class": "subagent",
    "x-claude-code-agent-type": "general-purpose",
    "x-claude-code-compaction": "auto",
    "x-claude-code-context-compacted": "reactive",
    "x-claude-code-prev-tool-durations": "Bash=742;mcp__a%2Cb=9",
    "x-claude-code-made-up-for-later": "yes",
}

FORMS = (("x-api-key",), ("authorization",), ("x-api-key", "authorization"))


def c02(fixture: Fixture, findings: Findings) -> None:
    betas = (bodies.FUTURE, *bodies.BETAS)
    headers = bodies.headers(*betas) | LATER | {"anthropic-version": OTHER_VERSION}
    arrival = fixture.arrival(findings, "what goes up", bodies.future(fixture.model, new_mark()), headers)
    if arrival is None:
        return
    version = arrival.header("anthropic-version")
    findings.expect(version == OTHER_VERSION, f"anthropic-version: {OTHER_VERSION} at the upstream", version or "none")
    lost = [beta for beta in betas if beta not in arrival.betas]
    if findings.expect(not lost, "every beta of anthropic-beta at the upstream", f"without {', '.join(lost)}"):
        kept = [beta for beta in arrival.betas if beta in betas]
        findings.expect(kept == list(betas), "anthropic-beta in its order", ", ".join(arrival.betas))
        if added := [beta for beta in arrival.betas if beta not in betas]:
            findings.note(f"the gateway adds betas: {', '.join(added)}")
    for name, value in LATER.items():
        seen = arrival.header(name)
        findings.expect(seen == value, f"unknown header {name}: {value} at the upstream", seen or "none")
    for what, path in FIELDS:
        sent, there = list(find(arrival.sent, path)), list(find(arrival.document, path))
        found = difference(sent, there, ".".join(path))
        findings.expect(found is None, f"{what} ({path[-1]}) at the upstream", found or "")


def c12(fixture: Fixture, findings: Findings) -> None:
    body, betas = bodies.question(fixture.model, new_mark())
    headers = bodies.headers(*betas) | HINTS
    if fixture.upstream is None:
        answer = fixture.ask(body, headers)
        findings.expect(answer.status == 200, "200 with every x-claude-code-* header", answer.brief)
        findings.needs("that they go up")
        return
    arrival = fixture.arrival(findings, "that they go up", body, headers)
    if arrival is None:
        return
    seen = {name: arrival.header(name) for name in HINTS}
    if not any(seen.values()):
        findings.note("all of them are consumed, none goes up; the guide allows that")
        return
    # A gateway that forwards only some has a fixed list, which the next release makes incomplete.
    for name, value in HINTS.items():
        findings.expect(seen[name] == value, f"{name}: {value} at the upstream, like the others", seen[name] or "none")


def c14(fixture: Fixture, findings: Findings) -> None:
    for forms in FORMS:
        body, betas = bodies.question(fixture.model, new_mark())
        own = replace(fixture, client=replace(fixture.client, forms=forms))
        what = f"200 with the credential in {' and '.join(forms)}"
        if fixture.upstream is None:
            answer = own.ask(body, bodies.headers(*betas))
            findings.expect(answer.status == 200, what, answer.brief)
            continue
        arrival = own.arrival(findings, what, body, bodies.headers(*betas, bodies.OAUTH))
        if arrival is None:
            continue
        beta = bodies.OAUTH in split(arrival.header("anthropic-beta"))
        findings.expect(beta, f"{bodies.OAUTH} in anthropic-beta at the upstream", arrival.header("anthropic-beta"))
        if forms == ("authorization",) and own.client.key not in arrival.header("authorization"):
            findings.note("Authorization goes up replaced; a claude.ai login needs it as it came")
    if fixture.upstream is None:
        findings.needs("that the OAuth beta goes up")

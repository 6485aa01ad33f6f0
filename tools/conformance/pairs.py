"""C3: the gateway forwards a beta and the field that needs it together, or removes both.

Anthropic's own API rejects either half alone. Bedrock and Vertex AI reject betas and fields that they do not support,
so a gateway has to remove both; their fakes are as strict.
"""

from __future__ import annotations

from nexus.wire import Json
from tools.conformance import bodies
from tools.conformance.compare import ANY, find
from tools.conformance.findings import Findings
from tools.conformance.fixture import Arrival, Cloud, Fixture, new_mark, split
from tools.fake_upstream import SeenRequest

PAIRS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (bodies.CONTEXT, ("context_management",)),
    (bodies.EFFORT, ("output_config", "effort")),
    (bodies.BUDGET, ("output_config", "task_budget")),
    (bodies.SCHEMAS, ("output_config", "format")),
    (bodies.SCHEMAS, ("tools", ANY, "strict")),
    (bodies.SEARCH, ("tools", ANY, "defer_loading")),
)
PRESENCE = {True: "there", False: "gone"}


def c03(fixture: Fixture, findings: Findings) -> None:
    headers = bodies.headers(*bodies.BETAS)
    arrival = fixture.arrival(findings, "pairs", bodies.session(fixture.model, new_mark()), headers)
    if arrival is not None:
        _together(arrival, findings)
    for cloud in fixture.clouds:
        _stripped(fixture, cloud, findings)
    if not fixture.clouds:
        findings.needs("what goes to Bedrock and Vertex AI", "--nexus, and the extra dev")


def _together(arrival: Arrival, findings: Findings) -> None:
    for beta, path in PAIRS:
        header, body, field = beta in arrival.betas, _holds(arrival.document, path), _dotted(path)
        seen = f"the header is {PRESENCE[header]}, the field is {PRESENCE[body]}"
        if findings.expect(header == body, f"{beta} and {field}: both or neither", seen) and not header:
            findings.note(f"{field} is removed together with {beta}")
    findings.expect("thinking" in arrival.document, "thinking (adaptive), which needs no beta", "it is gone")


def _stripped(fixture: Fixture, cloud: Cloud, findings: Findings) -> None:
    """Checks what a cloud gets: it rejects a field without its beta, but a known beta without its field is harmless."""
    body, headers = bodies.session(cloud.model, new_mark()), bodies.headers(*bodies.BETAS)
    refused = len(cloud.upstream.violations)
    answer = fixture.ask(body, headers)
    problems = cloud.upstream.violations[refused:]
    findings.expect(not problems, f"{cloud.name}: nothing that it refuses", "; ".join(problems))
    if not findings.expect(answer.status == 200, f"{cloud.name}: 200", answer.brief):
        return
    arrived = cloud.upstream.requests[-1]
    kept = [*split(arrived.header("anthropic-beta") or ""), *(arrived.json.get("anthropic_beta") or ())]
    header, field = bodies.CONTEXT in kept, "context_management" in arrived.json
    seen = f"the beta is {PRESENCE[header]}, the field is {PRESENCE[field]}"
    findings.expect(header or not field, f"{cloud.name}: {bodies.CONTEXT} with its field", seen)
    findings.note(_removed(cloud, arrived, kept))


def _removed(cloud: Cloud, arrived: SeenRequest, kept: list[str]) -> str:
    gone = [beta for beta in bodies.BETAS if beta not in kept]
    fields = [_dotted(path) for _, path in PAIRS if not _holds(arrived.json, path)]
    return (
        f"{cloud.name}: {len(gone)} of {len(bodies.BETAS)} betas are removed; so are {', '.join(fields) or 'no fields'}"
    )


def _holds(document: Json, path: tuple[str, ...]) -> bool:
    return any(True for _ in find(document, path))


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(part for part in path if part != ANY)

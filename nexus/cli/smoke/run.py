"""The rows of the report: whether each combination works, and its capabilities.

Every combination gives exactly one row, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nexus.cli.smoke.capabilities import UNTRIED, Capability, capability
from nexus.cli.smoke.http import CheckFailed, NotServed, Timings
from nexus.cli.smoke.probe import Probe, demand, said, user
from nexus.conversation.parts import Request, Text
from nexus.dataclasses import dataclass, field, replace

HELLO = "Say hello in one short sentence."

OK, FAILED, NOT_SERVED = "ok", "failed", "n/a"
MOST_SAID = 500
"""Maximum characters of one error."""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row; times are in seconds."""

    model: str
    protocol: str
    mode: str
    result: str
    error: str = ""
    first_token: float | None = None
    total: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    route: str = ""
    capabilities: Mapping[str, Capability] = field(default_factory=dict)


def without_secrets(row: ResultRow, redact: Callable[[str], str]) -> ResultRow:
    """The row without secrets. Errors are truncated after redaction, because half a key would not be recognised."""
    found = {
        name: replace(outcome, error=redact(outcome.error)[:MOST_SAID]) for name, outcome in row.capabilities.items()
    }
    return replace(row, error=redact(row.error)[:MOST_SAID], capabilities=found)


def row(probe: Probe, capabilities: Sequence[str]) -> ResultRow:
    """Tests one combination, and its capabilities if it works."""
    trace, answer = Timings(), None
    result, error = OK, ""
    try:
        answer = probe.send(Request((user(Text(HELLO)),)), trace=trace)
        demand(said(answer).strip(), "the answer has no text")
    except NotServed as refusal:
        result, error = NOT_SERVED, str(refusal)
    except CheckFailed as failure:
        result, error = FAILED, str(failure)
    usage = answer.usage if answer is not None and answer.usage.raw is not None else None
    untried = Capability(UNTRIED)
    return ResultRow(
        model=probe.model.name,
        protocol=probe.endpoint.format.name,
        mode="stream" if probe.stream else "whole",
        result=result,
        error=error,
        first_token=trace.first,
        total=trace.total,
        tokens_in=usage.total_input if usage else None,
        tokens_out=usage.total_output if usage else None,
        route=trace.route,
        capabilities={name: capability(name, probe) if result == OK else untried for name in capabilities},
    )

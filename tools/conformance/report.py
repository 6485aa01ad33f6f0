"""Verdicts as text and as JSON.

One line per rule; for a broken rule, below it, what was expected and seen. Only formats: the caller removes secrets
before it prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from tools.conformance.findings import Findings, Verdict
from tools.conformance.rules import Judgement

MOST_PROBLEMS = 4
INDENT = " " * 18


def lines(judgement: Judgement) -> str:
    """The text for one rule."""
    verdict = judgement.findings.verdict
    head = f"{judgement.name:<4} {verdict:<12} {judgement.title}"
    return "".join(f"{line}\n" for line in (head, *(f"{INDENT}{line}" for line in _below(judgement.findings))))


def summary(judgements: Sequence[Judgement]) -> str:
    counts = {verdict: sum(one.findings.verdict is verdict for one in judgements) for verdict in Verdict}
    always = (Verdict.HOLDS, Verdict.BROKEN)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count or verdict in always)


def whole(judgements: Sequence[Judgement], url: str, model: str, upstream: str | None) -> str:
    rules = [
        {"rule": one.name, "title": one.title, "verdict": one.findings.verdict.value, **_plain(one.findings)}
        for one in judgements
    ]
    about = {"url": url, "model": model, "upstream": upstream, "passed": passed(judgements)}
    return json.dumps({**about, "rules": rules}, indent=2) + "\n"


def passed(judgements: Sequence[Judgement]) -> bool:
    return not any(one.findings.verdict is Verdict.BROKEN for one in judgements)


def _below(findings: Findings) -> Iterator[str]:
    for problem in findings.problems[:MOST_PROBLEMS]:
        yield f"expected {problem.expected}"
        yield f"saw      {problem.seen}"
    if (more := len(findings.problems) - MOST_PROBLEMS) > 0:
        yield f"and {more} more"
    if findings.absent and not findings.problems:
        yield findings.absent
    yield from (f"note: {note}" for note in findings.notes)
    yield from (f"not judged: {what}" for what in findings.missing)


def _plain(findings: Findings) -> dict[str, object]:
    return {
        "problems": [asdict(problem) for problem in findings.problems],
        "absent": findings.absent,
        "notes": findings.notes,
        "not_judged": findings.missing,
    }

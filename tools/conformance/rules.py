"""The table of rules, and one run over them.

Every selected rule gets exactly one verdict, even if a request fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.conformance.client import ExchangeFailed
from tools.conformance.content import c04, c05, c06
from tools.conformance.failures import c08, c09
from tools.conformance.findings import Findings
from tools.conformance.fixture import Fixture
from tools.conformance.forwarding import c02, c12, c14
from tools.conformance.pairs import c03
from tools.conformance.paths import c01, c10, c11, c13
from tools.conformance.streaming import c07


@dataclass(frozen=True, slots=True)
class Rule:
    title: str
    judge: Callable[[Fixture, Findings], None]


RULES: Mapping[str, Rule] = {
    "C1": Rule("requests match by their path, start-up probes get an answer", c01),
    "C2": Rule("version, betas, unknown headers and fields go up as they are", c02),
    "C3": Rule("header and field travel as a pair", c03),
    "C4": Rule("system stays an array, the attribution block first and alone", c04),
    "C5": Rule("cache_control and blocks stay where they are", c05),
    "C6": Rule("system, tools and earlier messages are not rewritten", c06),
    "C7": Rule("streams are not buffered, pings come through, silence is filled", c07),
    "C8": Rule("the upstream's errors come back unmodified", c08),
    "C9": Rule("retry-after, x-should-retry and plan limits come back", c09),
    "C10": Rule("tokens are counted", c10),
    "C11": Rule("models are listed in time and without redirects", c11),
    "C12": Rule("x-claude-code-* headers are taken, and go up", c12),
    "C13": Rule("Bedrock's event stream is relayed", c13),
    "C14": Rule("credentials in either header, the OAuth beta stays", c14),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    name: str
    title: str
    findings: Findings


def run(fixture: Fixture, names: Sequence[str]) -> Iterator[Judgement]:
    for name, rule in RULES.items():
        if names and name not in names:
            continue
        findings = Findings()
        try:
            rule.judge(fixture, findings)
        except ExchangeFailed as error:
            findings.expect(False, "an answer", str(error))
        yield Judgement(name, rule.title, findings)

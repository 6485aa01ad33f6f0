"""The conformance tool against gateways that break one rule each: every verdict can fail.

The same gateway without its flaw breaks nothing, so the tool finds the flaw itself.
"""

import json
from typing import Any

import pytest

from tests.tools.bad_gateway import BadGateway
from tools.conformance.main import main
from tools.ports import free_port

pytestmark = pytest.mark.slow

FLAWS: dict[str, tuple[str, ...]] = {
    "C1": ("matches the whole URL",),
    "C2": ("knows its betas", "knows its fields"),
    "C3": ("drops anthropic-beta",),
    "C4": ("flattens system",),
    "C5": ("makes text of blocks",),
    "C6": ("sorts tool results", "tidies thinking"),
    "C7": ("buffers streams", "drops pings"),
    "C8": ("wraps errors", "swallows errors in streams"),
    "C9": ("waits in fractions", "forgets x-should-retry"),
    "C10": ("counts in words",),
    "C11": ("lists models without ids",),
    "C12": ("knows its headers",),
    "C13": ("converts Bedrock's stream",),
    "C14": ("takes x-api-key only",),
}
WAITED_FOR = FLAWS["C7"]
"""Found only by waiting in vain."""

HARMLESS = {
    "C4": ("writes the body anew", "the body was serialised anew on its way"),
    "C8": ("speaks in tokens", "carries a capability_rejected: token"),
    "C9": ("", "is not made into whole seconds"),
    "C12": ("consumes x-claude-code", "all of them are consumed"),
}


def judged(capsys: pytest.CaptureFixture[str], flaw: str, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Runs the tool and returns its exit code and verdicts."""
    with free_port() as port, BadGateway(flaw, port) as gateway:
        where = [gateway.url, "--model", "vendor/claude-next", "--upstream", f"127.0.0.1:{port}", "--json"]
        code = main([*where, *arguments], {})
    said = capsys.readouterr()
    assert said.err == ""
    return code, {one["rule"]: one for one in json.loads(said.out)["rules"]}


@pytest.mark.parametrize(("rule", "flaw"), [(rule, flaw) for rule, flaws in FLAWS.items() for flaw in flaws])
def test_a_flaw_is_found(rule: str, flaw: str, capsys: pytest.CaptureFixture[str]) -> None:
    patience = "1" if flaw in WAITED_FOR else "10"
    code, verdicts = judged(capsys, flaw, "--rule", rule, "--timeout", patience, "--silence", "0")
    assert (code, verdicts[rule]["verdict"]) == (1, "broken")
    for problem in verdicts[rule]["problems"]:
        assert problem["expected"] and problem["seen"]


def test_missing_pings_during_silence_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    code, verdicts = judged(capsys, "", "--rule", "C7", "--silence", "0.2")
    assert (code, verdicts["C7"]["verdict"]) == (1, "broken")
    early, late = verdicts["C7"]["problems"]
    assert "before the first event" in early["expected"] and "in the middle of an answer" in late["expected"]


def test_without_a_flaw_nothing_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    code, verdicts = judged(capsys, "", "--silence", "0")
    assert (code, [one["problems"] for one in verdicts.values()]) == (0, [[]] * 14)
    assert {one["verdict"] for rule, one in verdicts.items() if rule != "C13"} == {"holds"}
    assert verdicts["C13"]["verdict"] == "not offered"


@pytest.mark.parametrize(("rule", "flaw", "note"), [(rule, *rest) for rule, rest in HARMLESS.items()])
def test_allowed_deviations_are_noted(rule: str, flaw: str, note: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdicts = judged(capsys, flaw, "--rule", rule, "--timeout", "10", "--silence", "0")
    assert (code, verdicts[rule]["verdict"]) == (0, "holds")
    assert any(note in said for said in verdicts[rule]["notes"])


def test_the_report_says_what_was_expected_and_seen(capsys: pytest.CaptureFixture[str]) -> None:
    with free_port() as port, BadGateway("flattens system", port) as gateway:
        where = [gateway.url, "--model", "vendor/claude-next", "--upstream", f"127.0.0.1:{port}"]
        code = main([*where, "--rule", "C4", "--rule", "c13"], {})
    said = capsys.readouterr().out.splitlines()
    assert code == 1
    assert said[2:5] == [
        "C4   broken       system stays an array, the attribution block first and alone",
        "                  expected system as an array of 3 blocks",
        '                  saw      it is "x-anthropic-billing-header: cc_version=2.1.197...',
    ]
    assert said[-1] == "0 holds, 1 broken, 1 not offered"

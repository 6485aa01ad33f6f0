"""``tools/claude_code_conformance.py`` against the real Nexus: every rule of Claude Code by name.

The tests assert the tool's own verdicts, so that users run what is tested here.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import KEY, Nexus, anthropic_config
from tools.conformance.main import main
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

Judge = Callable[..., dict[str, Any]]


@pytest.fixture
def judge(capsys: pytest.CaptureFixture[str]) -> Judge:
    """Runs one rule against a Nexus that the tool starts; the failure message lists what is broken."""

    def run(rule: str) -> dict[str, Any]:
        code = main(["--nexus", "--json", "--rule", rule, "--silence", "15"], {})
        (verdict,) = json.loads(capsys.readouterr().out)["rules"]
        assert verdict["problems"] == []
        assert (code, verdict["rule"]) == (0, rule)
        found: dict[str, Any] = verdict
        return found

    return run


HOLDING = {
    "C1": "paths and probes",
    "C2": "open lists go up",
    "C4": "system stays an array",
    "C5": "cache marks stay",
    "C6": "history is not rewritten",
    "C7": "streams and silence",
    "C8": "errors come back unmodified",
    "C9": "what the client waits by",
    "C10": "tokens are counted",
    "C12": "what Claude Code says of itself goes up",
    "C14": "credentials in either header",
}
NOTED = ("C1", "C10", "C14")
"""Rules whose notes say what they saw."""


@pytest.mark.parametrize("rule", HOLDING, ids=HOLDING.values())
def test_a_rule_holds(judge: Judge, rule: str) -> None:
    verdict = judge(rule)
    assert verdict["verdict"] == "holds"
    assert rule in NOTED or verdict["notes"] == []


def test_c03_beta_pairs_reach_anthropic_bedrock_and_vertex(judge: Judge) -> None:
    verdict = judge("C3")
    assert (verdict["verdict"], verdict["not_judged"]) == ("holds", [])
    bedrock, vertex = verdict["notes"]
    assert bedrock.startswith("Bedrock: ") and vertex.startswith("Vertex AI: ")
    assert "context_management" in bedrock and "context_management" not in vertex


def test_c11_models_are_listed(judge: Judge) -> None:
    verdict = judge("C11")
    assert verdict["verdict"] == "holds"
    assert verdict["notes"] == ["Claude Code's picker keeps 1 of 1 ids"]


def test_c13_bedrocks_event_stream_is_relayed(judge: Judge) -> None:
    verdict = judge("C13")
    assert (verdict["verdict"], verdict["not_judged"]) == ("holds", [])


class TestCommand:
    def test_one_command_judges_nexus(self) -> None:
        command = [sys.executable, str(ROOT / "tools/claude_code_conformance.py"), "--nexus"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        lines = done.stdout.splitlines()
        assert [line.split()[0] for line in lines if line.startswith("C")] == [f"C{n}" for n in range(1, 15)]
        assert "C3   holds        header and field travel as a pair" in lines
        assert "C13  holds        Bedrock's event stream is relayed" in lines
        assert lines[-1] == "14 holds, 0 broken"

    def test_a_running_gateway_with_an_upstream(
        self, serve: Serve, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        with free_port() as port:
            nexus = serve(quick(anthropic_config(f"http://127.0.0.1:{port}")))
            code = main([nexus.anthropic, "--model", "anthropic/claude", "--upstream", f"127.0.0.1:{port}"], {})
        said = capsys.readouterr().out
        assert code == 0, said
        assert f"upstream at http://127.0.0.1:{port}: point the provider of anthropic/claude there" in said
        assert "not judged: what goes to Bedrock and Vertex AI: needs --nexus" in said
        assert said.endswith("13 holds, 0 broken, 1 not offered\n")

    def test_rules_that_need_an_upstream_are_skipped_without_one(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bedrock = f"{nexus.base}/llm/bedrock"
        code = main([nexus.anthropic, "--model", "anthropic/claude", "--json", "--bedrock-url", bedrock], {})
        whole = json.loads(capsys.readouterr().out)
        verdicts = {one["rule"]: one["verdict"] for one in whole["rules"]}
        assert code == 0, whole
        assert {rule for rule, verdict in verdicts.items() if verdict == "skipped"} == {
            f"C{n}" for n in (2, *range(3, 7), 8, 9)
        }
        assert verdicts["C13"] == "holds"
        assert {verdicts[rule] for rule in ("C1", "C7", "C10", "C11", "C12", "C14")} == {"holds"}
        assert "error bodies: needs --upstream" in whole["rules"][7]["not_judged"]
        assert anthropic_upstream.violations == []

    def test_an_unreachable_gateway_is_reported(self, capsys: pytest.CaptureFixture[str]) -> None:
        with free_port() as port:
            url = f"http://127.0.0.1:{port}"
            assert main([url, "--model", "m"], {}) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert said.err.startswith(f"cannot connect to {url}: ")

    def test_a_provider_that_points_elsewhere_is_reported(
        self, nexus: Nexus, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = main([nexus.anthropic, "--model", "anthropic/claude", "--upstream", "127.0.0.1:0", "--json"], {})
        said = capsys.readouterr()
        assert (code, said.out) == (2, "")
        assert "a request for anthropic/claude did not arrive at http://127.0.0.1:" in said.err

    def test_an_upstream_address_in_use_is_reported(self, nexus: Nexus, capsys: pytest.CaptureFixture[str]) -> None:
        code = main([nexus.anthropic, "--model", "m", "--upstream", f"127.0.0.1:{nexus.port}"], {})
        assert code == 2
        assert capsys.readouterr().err == f"cannot listen on 127.0.0.1:{nexus.port}: Address already in use\n"

    def test_a_rejected_key_is_not_shown(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream, capsys: pytest.CaptureFixture[str]
    ) -> None:
        anthropic_upstream.default = Behaviour(status=401, message="the key sk-very-secret is wrong")
        code = main([nexus.anthropic, "--model", "anthropic/claude", "--key-env", "K"], {"K": "sk-very-secret"})
        said = capsys.readouterr()
        assert code == 2
        assert "the gateway refuses the credential (401 the key [redacted] is wrong)" in said.err
        assert "sk-very-secret" not in said.out + said.err

    def test_key_and_headers_are_sent(self, nexus: Nexus, capsys: pytest.CaptureFixture[str]) -> None:
        with FakeUpstream("anthropic", api_key=KEY, strict=False) as gateway:
            plain = [gateway.origin, "--model", "m", "--rule", "C10", "--key", KEY, "--key-header", "authorization"]
            assert main([*plain, "--header", "X-Team: blue"], {}) == 0, capsys.readouterr()
            sent = gateway.requests[-1]
        assert (sent.header("authorization"), sent.header("x-api-key")) == (f"Bearer {KEY}", None)
        assert sent.header("x-team") == "blue"

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ((), "name the gateway and a model"),
            (("http://127.0.0.1:1",), "name the gateway and a model"),
            (("127.0.0.1:1", "--model", "m"), "write it like http://HOST:PORT/PATH"),
            (("--nexus", "--model", "m"), "leave out model"),
            (("http://127.0.0.1:1", "--model", "m", "--rule", "C15"), "there is no rule 'C15'"),
            (("http://127.0.0.1:1", "--model", "m", "--upstream", "9200"), "write it like 127.0.0.1:9200"),
            (("http://127.0.0.1:1", "--model", "m", "--header", "x"), "write it like 'X-Team: blue'"),
            (("http://127.0.0.1:1", "--model", "m", "--timeout", "soon"), "not a number of seconds"),
        ],
    )
    def test_wrong_usage(self, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(arguments, {})
        assert stopped.value.code == 2
        assert why in capsys.readouterr().err


def quick(config: str) -> str:
    return '[server]\nping_interval = "200ms"\nearly_ping = "3s"\n' + config

"""``tools/claude_code_conformance.py`` against the real Nexus: every rule of Claude Code.

The tests assert the tool's own verdicts, so that users run what is tested here.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.serving import KEY, Nexus, anthropic_config
from tools.conformance.main import main
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class TestCommand:
    def test_nexus_keeps_every_rule(self) -> None:
        """What breaks one is in the failure's words."""
        command = [sys.executable, str(ROOT / "tools/claude_code_conformance.py"), "--nexus"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        lines = done.stdout.splitlines()
        rules = [line.split()[:2] for line in lines if line.startswith("C")]
        assert rules == [[f"C{number}", "holds"] for number in range(1, 15)]
        assert lines[-1] == "14 holds, 0 broken" and "not judged" not in done.stdout
        bedrock, vertex, picker = (line.strip() for line in lines if line.startswith(" "))
        assert bedrock.startswith("note: Bedrock: ") and "context_management" in bedrock
        assert vertex.startswith("note: Vertex AI: ") and "context_management" not in vertex
        assert picker == "note: Claude Code's picker keeps 3 of 3 ids"

    def test_a_running_gateway_is_tested_with_its_upstream(
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
    def test_wrong_usage_is_explained(
        self, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(arguments, {})
        assert stopped.value.code == 2
        assert why in capsys.readouterr().err


def quick(config: str) -> str:
    return '[server]\nping_interval = "200ms"\nearly_ping = "3s"\n' + config

"""``nexus test`` as a user runs it: a separate process in front of fake vendors.

Every kind of wrong answer gives a row that says so, and no key is ever shown.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nexus.cli.smoke.parser import PROTOCOLS
from tests.serving import KEY, anthropic_config, openai_config
from tests.web import Received, Reply, WebServer, of_json
from tools.fake_upstream import Behaviour, FakeUpstream

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "nexus", "test"]
ONLY = {
    "openai": "\n[llm.protocols.anthropic]\nenabled = false\n",
    "anthropic": "\n[llm.protocols.openai]\nenabled = false\n",
}
ONCE = "\n[llm.providers.{vendor}.retries]\nattempts = 1\n"

Smoke = Callable[..., subprocess.CompletedProcess[str]]


def environ(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | more


@pytest.fixture
def smoke(tmp_path: Path) -> Smoke:
    """Runs the tool, with a configuration text or without one."""

    def run(
        *arguments: str, config: str = "", protocols: str = "chat,messages", **env: str
    ) -> subprocess.CompletedProcess[str]:
        arguments = ("--protocol", protocols, *arguments) if protocols else arguments
        if config:
            (tmp_path / "here.toml").write_text(config)
            arguments = ("--config", "here.toml", *arguments)
        return subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=environ(**env), capture_output=True, text=True, timeout=60
        )

    return run


def config_of(upstream: FakeUpstream) -> str:
    """One vendor through its own protocol only, without retries."""
    made = {"openai": openai_config, "anthropic": anthropic_config}[upstream.vendor]
    return made(upstream.base_url) + ONCE.format(vendor=upstream.vendor) + ONLY[upstream.vendor]


def name_of(upstream: FakeUpstream) -> str:
    return {"openai": "openai/gpt-4", "anthropic": "anthropic/claude"}[upstream.vendor]


def rows_of(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = json.loads(done.stdout)["rows"]
    return {(row["model"], row["protocol"], row["mode"]): row for row in rows}


class TestPassing:
    def test_every_model_through_both_protocols(self, smoke: Smoke, chat: FakeUpstream, claude: FakeUpstream) -> None:
        done = smoke("--json", config=openai_config(chat.base_url) + anthropic_config(claude.base_url))
        assert (done.returncode, done.stderr) == (0, "")
        rows = rows_of(done)
        models, modes = ("openai/gpt-4", "openai/smart", "anthropic/claude"), ("whole", "stream")
        assert list(rows) == [(name, door, mode) for name in models for door in ("chat", "messages") for mode in modes]
        for (model, protocol, _), row in rows.items():
            own = model.startswith("openai") == (protocol == "chat")
            assert row["result"] == "ok" if own else row["result"] in ("ok", "n/a"), row
            vendor_id = "claude-sonnet-4-5" if model.startswith("anthropic") else "gpt-4"
            assert row["route"] == f"{model.partition('/')[0]}/{vendor_id}"

    def test_the_demo_passes(self, smoke: Smoke) -> None:
        done = smoke("--config", str(ROOT / "config/demo.toml"))
        assert (done.returncode, done.stderr) == (0, "")
        assert "8 ok, 0 failed" in done.stdout

    def test_every_format_passes(self, smoke: Smoke) -> None:
        done = smoke("--config", str(ROOT / "config/demo.toml"), "--json", "demo/echo", protocols="")
        assert (done.returncode, done.stderr) == (0, "")
        talking = [name for name in PROTOCOLS if name != "embeddings"]
        rows = rows_of(done)
        assert list(rows) == [("demo/echo", name, mode) for name in talking for mode in ("whole", "stream")]
        assert {row["result"] for row in rows.values()} == {"ok"}

    def test_a_model_that_embeds_is_asked_for_vectors(self, smoke: Smoke, chat: FakeUpstream) -> None:
        more = '\n[llm.providers.openai.models."text-embedding-3-small"]\n'
        done = smoke("--json", "openai/text-embedding-3-small", config=openai_config(chat.base_url, more), protocols="")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        ((key, row),) = rows_of(done).items()
        assert key == ("openai/text-embedding-3-small", "embeddings", "whole")
        assert row["result"] == "ok" and row["tokens_in"] and not row["tokens_out"]

    def test_without_a_file_the_demo_is_tested(self, smoke: Smoke) -> None:
        assert "demo/echo" in smoke("demo/echo").stdout

    def test_the_table_has_times_usage_and_route(self, smoke: Smoke, upstream: FakeUpstream) -> None:
        done = smoke(name_of(upstream), config=config_of(upstream))
        head, whole, stream, blank, summary = done.stdout.splitlines()
        assert head.split() == ["MODEL", "PROTOCOL", "MODE", "RESULT", "FIRST", "TOTAL", "IN", "OUT", "ROUTE"]
        for line, mode in ((whole, "whole"), (stream, "stream")):
            model, _, said, result, first, total, tokens_in, tokens_out, route = line.split()
            assert (model, said, result, tokens_in, tokens_out) == (name_of(upstream), mode, "ok", "11", "6")
            assert (first == "-") == (mode == "whole") and total.endswith("s") and "/" in route
            assert line.rindex(route) == head.index("ROUTE")
        assert blank == "" and summary.startswith("2 ok, 0 failed in ") and summary.endswith(": passed")

    def test_stream_usage_that_cannot_be_requested_is_left_blank(self, smoke: Smoke, chat: FakeUpstream) -> None:
        silent = config_of(chat).replace('type = "openai"', 'type = "openai"\nstream_usage = false')
        done = smoke("--json", "openai/gpt-4", config=silent)
        assert done.returncode == 0
        assert rows_of(done)["openai/gpt-4", "chat", "stream"]["tokens_in"] is None


class TestFailing:
    def test_a_vendor_error_fails_its_rows(self, smoke: Smoke, upstream: FakeUpstream) -> None:
        upstream.default = Behaviour(status=429, message="slow down")
        done = smoke(name_of(upstream), config=config_of(upstream))
        assert done.returncode == 1
        code = "rate_limit_exceeded" if upstream.vendor == "openai" else "rate_limit_error"
        assert done.stdout.count(f"FAILED 429 {code}: slow down ") == 2
        assert "0 ok, 2 failed" in done.stdout and done.stdout.rstrip().endswith("FAILED")

    @pytest.mark.parametrize(
        ("behaviour", "why"),
        [
            (Behaviour(cut_after=5), "in the stream: "),
            (Behaviour(end_after=5), "in the stream: "),
            (Behaviour(error_after=3, message="I am lost"), "I am lost"),
            (Behaviour(text=""), "the answer has no text"),
            (Behaviour(input_tokens=0), "the usage is not plausible"),
        ],
        ids=["cut", "ended early", "error event", "empty", "no usage"],
    )
    def test_an_incomplete_stream_fails_its_row(
        self, smoke: Smoke, upstream: FakeUpstream, behaviour: Behaviour, why: str
    ) -> None:
        upstream.next(Behaviour(), behaviour)
        done = smoke("--json", name_of(upstream), config=config_of(upstream))
        assert done.returncode == 1
        whole, stream = json.loads(done.stdout)["rows"]
        assert (whole["result"], stream["result"]) == ("ok", "failed")
        assert why in stream["error"] and stream["total"] > 0

    def test_a_missing_answer_times_out(self, smoke: Smoke, chat: FakeUpstream) -> None:
        chat.default = Behaviour(hang=True)
        done = smoke("openai/gpt-4", "--timeout", "300ms", config=config_of(chat))
        assert done.returncode == 1
        assert done.stdout.count("FAILED no complete answer within 0.3s") == 2

    def test_long_reasons_are_printed_below_the_table(self, smoke: Smoke, chat: FakeUpstream) -> None:
        chat.default = Behaviour(status=400, message=f"{'very ' * 30}long\x1b[2J")
        done = smoke("openai/gpt-4", config=config_of(chat))
        assert "openai/gpt-4 (chat whole, chat stream) 400 invalid_request_error: very very" in done.stdout
        assert "very long?[2J" in done.stdout and "\x1b" not in done.stdout

    def test_no_key_is_seen(self, smoke: Smoke, upstream: FakeUpstream) -> None:
        told = f"your key {KEY} is wrong"
        upstream.next(Behaviour(status=401, message=told), Behaviour(error_after=2, message=told))
        done = smoke(name_of(upstream), "--json", config=config_of(upstream), NEXUS_LOG="trace")
        assert done.returncode == 1 and done.stdout.count("is wrong") == 2
        assert "call" in done.stderr
        assert KEY not in done.stdout + done.stderr

    def test_invalid_settings_are_reported(self, smoke: Smoke) -> None:
        done = smoke(config='[llm.providers.x]\ntype = "openai"\napi_key = "{{ env.NOT_THERE }}"\nbase_ulr = ""\n')
        assert (done.returncode, done.stdout) == (1, "")
        assert "here.toml:3: llm.providers.x.api_key: environment variable NOT_THERE is not set" in done.stderr
        assert 'here.toml:4: llm.providers.x.base_ulr: unknown key; did you mean "base_url"?' in done.stderr

    def test_a_store_of_a_newer_nexus_is_reported(self, smoke: Smoke, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "usage.sqlite3")) as newer:
            newer.executescript("CREATE TABLE schema_version (version BIGINT); INSERT INTO schema_version VALUES (99)")
        done = smoke(
            config='usage.store = "sqlite:///usage.sqlite3"\n[llm.providers.x]\ntype = "echo"\nmodels.y = {}\n'
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("here.toml:1: usage.store: ") and "was written by a newer Nexus" in done.stderr

    def test_ctrl_c_prints_what_was_tested_so_far(self, tmp_path: Path, chat: FakeUpstream) -> None:
        chat.next(Behaviour(), Behaviour(hang=True))
        (tmp_path / "nexus.toml").write_text(config_of(chat))
        pipe = subprocess.PIPE
        with subprocess.Popen(COMMAND, cwd=tmp_path, env=environ(), stdout=pipe, stderr=pipe, text=True) as process:
            chat.wait_for_requests(2, timeout=20)
            process.send_signal(signal.SIGINT)
            said, complained = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "1 ok, 0 failed, interrupted" in said
        assert complained == ""


class TestUsage:
    def test_named_models_only(self, smoke: Smoke, chat: FakeUpstream) -> None:
        done = smoke("--json", "smart", "openai/gpt-4", config=config_of(chat))
        assert {row["model"] for row in json.loads(done.stdout)["rows"]} == {"smart", "openai/gpt-4"}
        assert done.returncode == 0

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (("openai/gpt-5",), "model 'openai/gpt-5' does not exist; did you mean 'openai/gpt-4'?"),
            (("--capability", "tools,smell"), "unknown: smell; known: tools, vision, thinking, json, cache, all"),
            (("--timeout", "60 parsecs"), "is not a duration"),
            (("--url", "localhost:8000"), "write it like http://HOST:PORT"),
            (("--url", "http://me:secret@localhost"), "does not belong here"),
            (("--bogus",), "--bogus"),
        ],
    )
    def test_wrong_usage_is_explained(
        self, smoke: Smoke, chat: FakeUpstream, arguments: tuple[str, ...], why: str
    ) -> None:
        done = smoke(*arguments, config=config_of(chat))
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr and "secret" not in done.stderr
        assert chat.requests == []

    def test_an_ambiguous_alias(self, smoke: Smoke, chat: FakeUpstream) -> None:
        twice = config_of(chat) + openai_config(chat.base_url).replace("providers.openai", "providers.other")
        done = smoke("gpt-4", config=twice)
        assert done.returncode == 2
        assert "ambiguous; candidates: openai/gpt-4, other/gpt-4" in done.stderr


def able(vendor: str) -> list[Behaviour]:
    """Behaviours of a model with every capability, in the order in which the tool asks for them."""
    thinks = Behaviour(reasoning_tokens=3) if vendor == "openai" else Behaviour(thinking="Let me see.")
    return [
        Behaviour(),
        Behaviour(tool_call=True),
        Behaviour(text="It is sunny."),
        Behaviour(text="Red."),
        thinks,
        Behaviour(text='{"city": "Paris", "country": "France"}'),
        Behaviour(cache_write_tokens=5000),
        Behaviour(cached_tokens=5000),
    ]


class TestCapabilities:
    EVERY = "tools,vision,thinking,json,cache"

    def test_capabilities_that_a_model_has_are_ok(self, smoke: Smoke, upstream: FakeUpstream) -> None:
        upstream.next(*able(upstream.vendor), *able(upstream.vendor))
        # OpenAI's own models are judged by name; models of a compatible server are assumed to support everything.
        config = config_of(upstream).replace(".models.gpt-4]\n", '.models.gpt-4]\nrename = "qwen3-coder"\n')
        done = smoke(name_of(upstream), "--capability", self.EVERY, config=config)
        head, *lines = done.stdout.splitlines()
        assert head.split()[-5:] == ["TOOLS", "VISION", "THINKING", "JSON", "CACHE"]
        assert [line.split()[-5:] for line in lines[:2]] == [["ok"] * 5] * 2
        assert done.returncode == 0
        # OpenAI caches prompts by default and its types have no field for it: rejected, then retried without.
        assert all(violation.startswith("messages.0.content") for violation in upstream.violations)
        assert bool(upstream.violations) == (upstream.vendor == "openai")

    @pytest.mark.parametrize(("asked", "code"), [("vision,json", 1), ("all", 0)])
    def test_a_missing_capability_fails_only_if_it_was_named(
        self, smoke: Smoke, chat: FakeUpstream, asked: str, code: int
    ) -> None:
        done = smoke("openai/gpt-4", "--capability", asked, "--json", config=config_of(chat))
        assert done.returncode == code
        found = json.loads(done.stdout)["rows"][0]["capabilities"]
        assert found["vision"] == {"result": "no", "error": "the model did not see that the image is red"}
        assert found["json"] == {"result": "no", "error": "the answer is not JSON"}

    def test_arguments_must_be_an_object(self, smoke: Smoke, chat: FakeUpstream) -> None:
        broken = Behaviour(tool_call=True, tool_arguments='{"city": "Par')
        chat.next(Behaviour(), broken, Behaviour(), broken)
        done = smoke("openai/gpt-4", "--capability", "tools", config=config_of(chat))
        assert done.returncode == 1
        assert "(chat whole, chat stream) tools: the arguments of get_weather are not JSON" in done.stdout

    def test_a_model_that_rejects_a_forced_call_may_call_by_itself(self, smoke: Smoke, claude: FakeUpstream) -> None:
        calls = Behaviour(tool_call=True, tool_arguments='{"city": "Paris"}')
        claude.next(Behaviour(), calls, Behaviour(), Behaviour(), calls)
        config = config_of(claude).replace("claude-sonnet-4-5", "claude-sonnet-5-5")
        done = smoke("anthropic/claude", "--capability", "tools", config=config)
        assert (done.returncode, len(claude.violations)) == (0, 2), done.stdout

    def test_nothing_is_tried_on_a_failed_row(self, smoke: Smoke, chat: FakeUpstream) -> None:
        chat.default = Behaviour(status=500)
        done = smoke("openai/gpt-4", "--capability", "all", config=config_of(chat))
        assert [line.split()[-5:] for line in done.stdout.splitlines()[1:3]] == [["-"] * 5] * 2
        assert len(chat.requests) == 2


def stubbed(request: Received) -> Reply:
    """A gateway that serves one model through no protocol, and the messages list on two pages."""
    if request.method == "GET":
        entry = {"id": "a/b", "type": "model", "object": "model"}
        return of_json({"data": [entry], "has_more": "after_id" not in request.path, "last_id": "a/b"})
    message = "model 'a/b' is not served through this protocol; it speaks nothing"
    error = {"type": "invalid_request_error", "message": message}
    return of_json({"error": error}, 400, {"x-nexus-error": "unsupported_feature"})


@pytest.fixture
def stub() -> Iterator[WebServer]:
    with WebServer(stubbed) as server:
        yield server


class TestRunningServer:
    def test_models_come_from_its_list(self, smoke: Smoke, chat: FakeUpstream, serve: Any) -> None:
        nexus = serve(openai_config(chat.base_url) + ONLY["openai"])
        done = smoke("--url", nexus.base + "/", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        names = ("openai/gpt-4", "openai/smart")
        assert list(rows_of(done)) == [(name, "chat", mode) for name in names for mode in ("whole", "stream")]

    def test_paths_come_from_the_file(self, smoke: Smoke, chat: FakeUpstream, serve: Any) -> None:
        text = config_of(chat) + '[llm.protocols.openai]\npath = "/elsewhere"\n'
        done = smoke("--url", serve(text).base, "smart", config=text)
        assert (done.returncode, done.stderr) == (0, "")
        assert smoke("--url", serve(text).base).returncode == 1

    def test_a_protocol_that_a_model_is_not_served_through_is_reported(self, smoke: Smoke, stub: WebServer) -> None:
        done = smoke("--url", stub.url)
        assert [line.split()[3] for line in done.stdout.splitlines()[1:5]] == ["n/a"] * 4
        # Nothing failed, but nothing was tested.
        assert done.returncode == 1
        assert "4 not served through that protocol" in done.stdout

    def test_an_unreachable_server_is_reported(self, smoke: Smoke) -> None:
        done = smoke("--url", "http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("nexus test: cannot connect: ")


CLIENT_KEY = "nx-hushhush-9876543210zyxwvuts"
OWN_KEY = "sk-hushhush-of-the-caller"
KEYS = f"""
[server.keys.tester]
key = "{CLIENT_KEY}"
[server.client_identification]
enabled = true
client_id.http_header = "x-client-id"
"""
TESTER = ("--client-key-env", "THE_KEY", "--header", "X-Client-Id: tester")


class TestCaller:
    def test_the_key_for_its_own_gateway_is_read_and_no_vendor_gets_it(
        self, smoke: Smoke, upstream: FakeUpstream
    ) -> None:
        config = KEYS + config_of(upstream)
        done = smoke(name_of(upstream), *TESTER, config=config, THE_KEY=CLIENT_KEY)
        assert (done.returncode, done.stderr) == (0, "")
        sent = str([request.headers for request in upstream.requests])
        assert CLIENT_KEY not in sent and "tester" not in sent
        done = smoke(name_of(upstream), config=config)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("nexus test: this gateway requires a key: set NEXUS_KEY to yours")
        done = smoke(name_of(upstream), "--header", "X-Client-Id: tester", config=config, NEXUS_KEY=CLIENT_KEY)
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_running_server_is_tested_with_its_key(
        self, smoke: Smoke, chat: FakeUpstream, claude: FakeUpstream, serve: Any
    ) -> None:
        """The tool also requests the list of models with the key, in both protocols."""
        nexus = serve(KEYS + openai_config(chat.base_url) + anthropic_config(claude.base_url))
        done = smoke("--url", nexus.base, "--json", *TESTER, THE_KEY=CLIENT_KEY)
        assert done.returncode == 0
        assert {row["protocol"] for row in json.loads(done.stdout)["rows"]} == {"chat", "messages"}
        done = smoke("--url", nexus.base)
        assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("nexus test: 401 ")

    def test_as_each_protocols_clients_send_it(self, smoke: Smoke, stub: WebServer) -> None:
        smoke("--url", stub.url, "--client-key-env", "THE_KEY", THE_KEY=CLIENT_KEY)
        seen = [(request.path, *header) for request in stub.received for header in request.headers.items()]
        carriers = {(path.split("/")[2], name) for path, name, value in seen if CLIENT_KEY in value}
        assert carriers == {("openai", "authorization"), ("anthropic", "x-api-key")}
        assert ("authorization", f"Bearer {CLIENT_KEY}") in {(name, value) for _, name, value in seen}

    def test_a_custom_header_overrides_the_default(self, smoke: Smoke, chat: FakeUpstream, serve: Any) -> None:
        nexus = serve(KEYS + config_of(chat))
        header = "Authorization: Bearer {{ env.OTHER }}"
        assert smoke("--url", nexus.base, *TESTER, THE_KEY="wrong").returncode == 1
        done = smoke("--url", nexus.base, *TESTER, "--header", header, THE_KEY="wrong", OTHER=CLIENT_KEY)
        assert done.returncode == 0

    def test_the_callers_own_vendor_key_is_sent(self, smoke: Smoke, upstream: FakeUpstream) -> None:
        own = config_of(upstream).replace(f'api_key = "{KEY}"', "forward_token = true")
        header = "X-Provider-API-Key: {{ env.MINE }}"
        done = smoke(name_of(upstream), "--header", header, config=own, MINE=OWN_KEY)
        assert done.returncode == 0
        assert OWN_KEY in str(upstream.requests[0].headers)

    def test_no_key_is_seen(self, smoke: Smoke, upstream: FakeUpstream) -> None:
        told = f"{CLIENT_KEY} or {OWN_KEY} is wrong"
        upstream.default = Behaviour(status=401, message=told)
        headers = ("--header", f"X-Provider-API-Key: {OWN_KEY}")
        config = KEYS + config_of(upstream)
        done = smoke(name_of(upstream), *TESTER, *headers, config=config, THE_KEY=CLIENT_KEY, NEXUS_LOG="trace")
        assert done.returncode == 1 and "is wrong" in done.stdout
        assert not any(key in done.stdout + done.stderr for key in (CLIENT_KEY, OWN_KEY))

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (("--client-key-env", "NOT_THERE"), "environment variable NOT_THERE is not set"),
            (("--client-key-env", "BROKEN"), "BROKEN holds characters that are not allowed in an HTTP header"),
            (("--header", "x-a: {{ env.NOT_THERE }}"), "environment variable NOT_THERE is not set"),
            (("--header", "hushhush"), "write it like 'Name: value'"),
            (("--header", "x a: hushhush"), "write it like 'Name: value'"),
            (("--header", "x-a: hushhush\nhushhush"), "write it like 'Name: value'"),
            (("--header", "x-a:"), "write it like 'Name: value'"),
            (("--header", "Content-Length: 3"), "content-length is written by the test itself"),
        ],
    )
    def test_wrong_usage_is_explained(
        self, smoke: Smoke, chat: FakeUpstream, arguments: tuple[str, ...], why: str
    ) -> None:
        done = smoke(*arguments, config=config_of(chat), BROKEN="hushhush\nhushhush")
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr and "hushhush" not in done.stderr
        assert chat.requests == []

    def test_tls_of_the_file_is_left_out(self, smoke: Smoke, chat: FakeUpstream, tls: Any) -> None:
        key = str(Path(tls.ca_file).with_name("key.pem"))
        table = f'[server.tls]\ncertificate = "{tls.ca_file}"\nkey = "{key}"\n'
        assert smoke("openai/gpt-4", config=table + config_of(chat)).returncode == 0

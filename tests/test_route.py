"""``nexus route --explain``: candidates in order, with reasons, without any call to a vendor."""

import io
import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nexus.cli import main as cli
from nexus.cli.options import CommandError, Options
from nexus.cli.route import route
from nexus.server.process.source import Source
from nexus.settings import Settings, load

KEYS = ("sk-ant-hushhush", "sk-ant-hushhush-2")
FILE = f"""
[server.client_identification]
enabled = true
client_id = {{ gateway_key = true }}
group_id = {{ gateway_key = true }}
validation.group_values = ["staff"]
[server.keys.alice]
key = "nx-hushhush0123456789abcdefghijklmnop"
group = "staff"
models = ["smart"]
[llm.providers.anthropic]
type = "anthropic"
api_keys = {json.dumps(KEYS)}
max_concurrency = 64
[llm.providers.anthropic.rate_limits.per_user]
request_limit = 100
interval = "1h"
groups.staff = {{ request_limit = 500, interval = "1h" }}
[llm.providers.anthropic.models.sonnet]
rename = "claude-sonnet-4-5"
context = 200000
headers = [{{ rule = "insert", name = "x-team", value = "hushhush-team" }}]
[llm.providers.mine]
type = "anthropic"
forward_token = true
[llm.providers.mine.models.sonnet]
[llm.providers.openai]
type = "openai"
api_key = "sk-hushhush-openai"
[llm.providers.openai.models."gpt-5.5"]
[llm.providers.google]
type = "google"
api_key = "AIza-hushhush"
[llm.providers.google.models.pro]
rename = "gemini-2.5-pro"
[llm.providers.aws]
type = "bedrock"
region = "us-east-1"
[llm.providers.aws.models.nova]
rename = "amazon.nova-pro-v1:0"
[llm.models.smart]
targets = ["anthropic/sonnet", "mine/sonnet", "openai/gpt-5.5"]
patience = "30s"
on_overflow = "google/pro"
"""
HELLO = [{"role": "user", "content": "Hello!"}]
CONVERSE = [{"role": "user", "content": [{"text": "Hello!"}]}]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    (tmp_path / "nexus.toml").write_text(FILE)
    return load(tmp_path / "nexus.toml", {})


class Explain:
    """Runs the command over one request."""

    def __init__(self, settings: Settings, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._settings, self._folder, self._capsys = settings, folder, capsys

    def __call__(
        self, request: Mapping[str, Any], protocol: str = "openai", key: str = "", model: str = ""
    ) -> tuple[int, str]:
        file = self._folder / "request.json"
        file.write_text(json.dumps(request))
        try:
            options = Options(request=file, protocol=protocol, key=key, model=model)
            code, said = route(options, self._settings, Source(file)), ""
        except CommandError as error:
            code, said = 1, str(error)
        told = said + self._capsys.readouterr().out
        assert not any(secret in told for secret in (*KEYS, "hushhush"))
        return code, told


@pytest.fixture
def explain(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    return Explain(settings, tmp_path, capsys)


def places(told: str) -> list[str]:
    return [
        line.partition(" ")[2].partition(":")[0].partition("#")[0] for line in told.splitlines() if line[:1].isdigit()
    ]


def test_candidates_are_listed_in_order_with_reasons(explain: Explain) -> None:
    code, told = explain({"model": "smart", "messages": HELLO, "user": "u", "max_completion_tokens": 100}, key="alice")
    assert code == 0
    # Each key is a separate account.
    assert places(told) == ["anthropic/sonnet", "anthropic/sonnet", "openai/gpt-5.5", "google/pro"]
    for said in (
        "model      smart is virtual, patience 30 s\n",
        "caller     key alice, group staff\n",
        "session    named in the request\n",
        "at most 100 of output\n",
        "target 1; account ",
        "   url       https://api.anthropic.com/v1/messages\n",
        "   lane      chat to messages\n",
        "   headers   anthropic-version, content-type, user-agent, x-api-key, x-request-id, x-team\n",
        "   limit     500 requests per 1h (provider anthropic, group staff)\n",
        "   limit     64 calls at the same time (provider anthropic)\n",
        "openai/gpt-5.5: target 3\n",
        "   lane      passthrough\n",
        "google/pro: when the conversation is too long for the others\n",
        "   headers   content-type, user-agent, x-goog-api-key, x-request-id\n",
        "left out   mine/sonnet: needs the caller's own key or login\n",
    ):
        assert said in told, said


REQUESTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "what a target cannot say is dropped by name": (
        {"model": "smart", "messages": HELLO, "seed": 7},
        "openai",
        "   dropped   seed\n",
    ),
    "what it must not lose is refused by name": (
        {"model": "smart", "messages": HELLO, "n": 2},
        "openai",
        "   refused   n: only one choice can be translated",
    ),
    "what does not fit": (
        {"model": "smart", "messages": HELLO, "max_tokens": 300_000},
        "openai",
        " tokens > 200000 maximum\n",
    ),
    "Responses": ({"model": "smart", "input": "Hello!"}, "openai", "   lane      responses to messages\n"),
    "Messages": (
        {"model": "smart", "messages": HELLO, "max_tokens": 9, "stream": True},
        "anthropic",
        "request    messages, model smart, a stream\n",
    ),
    "Gemini": ({"contents": [{"parts": [{"text": "Hello!"}]}]}, "google", "   lane      gemini to messages\n"),
    "Converse": ({"messages": CONVERSE}, "bedrock", "   lane      converse to messages\n"),
    "InvokeModel": (
        {"anthropic_version": "bedrock-2023-05-31", "messages": HELLO, "max_tokens": 9},
        "bedrock",
        "   lane      passthrough\n",
    ),
    "Claude on Vertex AI": (
        {"anthropic_version": "vertex-2023-10-16", "messages": HELLO, "max_tokens": 9},
        "vertex",
        "   lane      passthrough\n",
    ),
    "a plain model": (
        {"model": "openai/gpt-5.5", "messages": HELLO},
        "openai",
        "1. openai/gpt-5.5: the requested model\n",
    ),
    "a signed request": (
        {"model": "aws/nova", "messages": HELLO},
        "openai",
        "   headers   accept, content-type, user-agent, x-request-id\n   signing   authorization, x-amz-date, ",
    ),
    "no session": (
        {"model": "smart", "messages": HELLO},
        "openai",
        "session    none: each call is distributed independently\n",
    ),
}


@pytest.mark.parametrize(("request_", "protocol", "said"), REQUESTS.values(), ids=REQUESTS.keys())
def test_explanations_mention_what_affects_the_route(
    explain: Explain, request_: dict[str, Any], protocol: str, said: str
) -> None:
    code, told = explain(request_, protocol, model="" if "model" in request_ else "smart")
    assert (code, said in told) == (0, True), told


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a model that there is not": ({"model": "smrt", "messages": HELLO}, "", "did you mean 'smart'?"),
    "a model that the key does not open": ({"model": "openai/gpt-5.5", "messages": HELLO}, "alice", "does not exist"),
    "a key that there is not": ({"model": "smart", "messages": HELLO}, "bob", "known are: alice"),
    "no model": ({"messages": HELLO}, "", "model: expected the name of a model"),
    "no request": ({"model": "smart", "messages": "Hello!"}, "", "messages: expected an array"),
    "a target alone that is the caller's": ({"model": "mine/sonnet", "messages": HELLO}, "", "the caller's own"),
}


@pytest.mark.parametrize(("request_", "key", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_rejected_requests_are_explained(explain: Explain, request_: dict[str, Any], key: str, said: str) -> None:
    code, told = explain(request_, key=key)
    assert (code, said in told) == (1, True), told


def test_the_command_line(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stdin:
        buffer = io.BytesIO(json.dumps({"model": "smart", "max_tokens": 9, "messages": HELLO}).encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    config = str(tmp_path / "nexus.toml")
    assert cli.main(["route", "-c", config, "--explain", "-", "--protocol", "anthropic", "--key", "alice"]) == 0
    assert "request    messages, model smart" in capsys.readouterr().out
    assert cli.main(["route", "-c", config, "--explain", str(tmp_path / "no-such-file")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "of-path.json").write_text("{}")
    assert cli.main(["route", "-c", config, "--explain", str(tmp_path / "of-path.json"), "--protocol", "google"]) == 1
    assert "--protocol google needs --model" in capsys.readouterr().err
    (tmp_path / "deep.json").write_text("[" * 10**6)
    assert cli.main(["route", "-c", config, "--explain", str(tmp_path / "deep.json")]) == 1
    assert "deep.json: is not JSON" in capsys.readouterr().err

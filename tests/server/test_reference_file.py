"""config/reference.toml unchanged: it can be served, and its limit applies to each caller separately."""

from pathlib import Path
from typing import Any

import pytest

from nexus.settings import Settings, load
from nexus.settings.warnings import warnings
from tests.conftest import Serve
from tests.serving import CHAT, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

FILE = Path(__file__).parents[2] / "config/reference.toml"
ENVIRON = {"OPENAI_API_KEY": "sk-hushhush-house", "ANTHROPIC_API_KEY": "sk-ant-hushhush-house"}
KEYS = '[server.keys.alice]\nkey = "nx-hushhush-alice-0123456789abcdef"\n'
OAUTH = '[server.oauth]\nurl = "https://id.example/jwks"\nexpected_issuer = "i"\nexpected_audience = "a"\n'
LIMIT = '[llm.providers.openai.rate_limits.per_user]\ninput_token_limit = 100000\ninterval = "60s"\n'
LARGE: dict[str, Any] = {**CHAT, "messages": [{"role": "user", "content": "word " * 40_000}]}


def with_keys() -> str:
    text = FILE.read_text()
    for name, value in ENVIRON.items():
        text = text.replace(f"{{{{ env.{name} }}}}", value)
    return text


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    openai_upstream.default = Behaviour(input_tokens=40_000)
    text = with_keys()
    for kind, upstream in (("openai", openai_upstream), ("anthropic", anthropic_upstream)):
        text = text.replace(f'type = "{kind}"', f'type = "{kind}"\nbase_url = "{upstream.base_url}"')
    return serve(text)


def load_text(folder: Path, text: str) -> Settings:
    file = folder / "nexus.toml"
    file.write_text(text)
    return load(file, ENVIRON)


def call(nexus: Nexus, model: str = "openai/gpt-6.2-sol", **headers: str) -> int:
    return nexus.chat(
        {**LARGE, "model": model}, {name.replace("_", "-"): value for name, value in headers.items()}
    ).status


def test_a_caller_without_a_name_is_limited_by_its_address(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    assert [call(nexus), call(nexus, "openai/smart"), call(nexus)] == [200, 200, 429]
    refused = nexus.chat({**LARGE, "model": "openai/gpt-6-luna"})
    assert (refused.status, refused.headers["x-nexus-limit"]) == (429, "own")
    assert [seen.json["model"] for seen in openai_upstream.requests] == ["gpt-6.2-sol"] * 2


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/llm/openai/v1/chat/completions", {}),
    "chat, as a stream": ("/llm/openai/v1/chat/completions", {"stream": True}),
    "responses": ("/llm/openai/v1/responses", {}),
    "messages": ("/llm/anthropic/v1/messages", {"max_tokens": 64}),
    "messages, as a stream": ("/llm/anthropic/v1/messages", {"max_tokens": 64, "stream": True}),
}


def test_the_limit_applies_in_every_protocol(nexus: Nexus) -> None:
    assert [call(nexus), call(nexus)] == [200, 200]
    for name, (path, more) in REFUSED.items():
        text = LARGE["messages"][0]["content"]
        body = {"input": text} if name == "responses" else {"messages": LARGE["messages"]}
        reply = nexus.post(path, {"model": "openai/smart", **body, **more})
        assert (name, reply.status, reply.headers["x-nexus-limit"]) == (name, 429, "own")
        assert "limit" in reply.json["error"]["message"]
        assert int(reply.headers["retry-after"]) <= 60


SUBJECTS: dict[str, tuple[dict[str, Any], str]] = {
    "a file without identification": ({}, "by the vendor key that they bring, else by their address; callers behind"),
    "no key is forwarded": ({"forward_token = true": ""}, "are identified by their address; callers behind"),
    "gateway keys": ({"[llm]": f"{KEYS}[llm]"}, "by the name of their gateway key; set enabled = true"),
    "tokens": ({"[llm]": f"{OAUTH}[llm]"}, "by their token's sub; set enabled = true"),
    "both": ({"[llm]": f"{KEYS}{OAUTH}[llm]"}, "by the name of their gateway key, else by their token's sub; set"),
}


@pytest.mark.parametrize(("changes", "says"), SUBJECTS.values(), ids=SUBJECTS.keys())
def test_it_warns_once(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    text = FILE.read_text()
    for old, new in changes.items():
        text = text.replace(old + "\n", new + "\n")
    said = [line for line in warnings(load_text(tmp_path, text)) if "client_identification" in line]
    assert len(said) == 1 and says in said[0]


NO_WARNING = {
    "identification": "[server.client_identification]\nenabled = true\nclient_id.gateway_key = true\n" + KEYS,
    "no limits": "",
}


@pytest.mark.parametrize("name", NO_WARNING)
def test_it_does_not_warn(tmp_path: Path, name: str) -> None:
    text = NO_WARNING[name] + FILE.read_text()
    if name == "no limits":
        text = text.replace(LIMIT, "")
    assert not [line for line in warnings(load_text(tmp_path, text)) if "told apart" in line]

"""config/reference.toml as it stands: it serves, and its limit holds for each caller by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexus.settings import load
from nexus.settings.warnings import warnings
from tests.conftest import Serve
from tests.serving import CHAT, MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

FILE = Path(__file__).parents[2] / "config/reference.toml"
ENVIRON = {"OPENAI_API_KEY": "sk-hushhush-house", "ANTHROPIC_API_KEY": "sk-ant-hushhush-house"}
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


def call(nexus: Nexus, model: str = "openai/gpt-4", **headers: str) -> int:
    return nexus.chat(
        {**LARGE, "model": model}, {name.replace("_", "-"): value for name, value in headers.items()}
    ).status


def test_a_caller_without_a_name_is_limited_by_its_address(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    assert [call(nexus), call(nexus, "openai/smart"), call(nexus)] == [200, 200, 429]
    refused = nexus.chat({**LARGE, "model": "openai/gpt-3.5-turbo"})
    assert (refused.status, refused.headers["x-nexus-limit"]) == (429, "own")
    assert [seen.json["model"] for seen in openai_upstream.requests] == ["gpt-4", "gpt-4"]


def test_a_caller_with_its_own_vendor_key_is_limited_by_it(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    mine, yours = "sk-hushhush-mine", "sk-hushhush-yours"
    assert [call(nexus, x_provider_api_key=mine) for _ in range(3)] == [200, 200, 429]
    assert [call(nexus, x_provider_api_key=yours), call(nexus)] == [200, 200]
    sent = [seen.header("authorization") for seen in openai_upstream.requests]
    assert sent == [f"Bearer {key}" for key in (mine, mine, yours, ENVIRON["OPENAI_API_KEY"])]


def test_a_key_that_is_not_forwarded_names_nobody(serve: Serve, openai_upstream: FakeUpstream) -> None:
    """Otherwise every made-up key would have limits of its own."""
    openai_upstream.default = Behaviour(input_tokens=40_000)
    text = with_keys().replace("forward_token = true", f'base_url = "{openai_upstream.base_url}"')
    nexus = serve(text)
    assert [call(nexus, x_provider_api_key=f"sk-hushhush-{turn}") for turn in range(3)] == [200, 200, 429]


def test_a_gateway_keys_name_comes_first(serve: Serve, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(input_tokens=40_000)
    keys = "".join(f'[server.keys.{name}]\nkey = "nx-hushhush-{name}-0123456789abcdef"\n' for name in ("alice", "bob"))
    text = with_keys().replace("forward_token = true", f'base_url = "{openai_upstream.base_url}"\nforward_token = true')
    nexus = serve(keys + text)

    def as_(name: str, own: str) -> int:
        return call(nexus, x_nexus_key=f"nx-hushhush-{name}-0123456789abcdef", x_provider_api_key=own)

    assert [as_("alice", f"sk-hushhush-{turn}") for turn in range(3)] == [200, 200, 429]
    assert as_("bob", "sk-hushhush-0") == 200


def test_the_other_protocol_and_the_other_vendor(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    for model, vendors in (("claude-3-5-sonnet-20241022",) * 2, ("fast", "claude-3-haiku-20240307-v1:0")):
        assert nexus.messages({**MESSAGES, "model": f"anthropic/{model}"}).status == 200
        assert anthropic_upstream.requests[-1].json["model"] == vendors


def test_it_warns_once() -> None:
    said = [text for text in warnings(load(FILE, ENVIRON)) if "client_identification" in text]
    assert len(said) == 1
    assert "address" in said[0]

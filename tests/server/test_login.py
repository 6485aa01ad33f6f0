"""A login at claude.ai that travels: the caller's own token and betas reach Anthropic, a gateway key never does.

Law: only where the provider allows it; the house's key then stays at home.
"""

from __future__ import annotations

import anthropic
import pytest

from tests.conftest import Serve
from tests.serving import KEY, MESSAGES, Nexus, anthropic_config
from tools.fake_upstream import FakeUpstream

TOKEN = "sk-ant-oat01-hushhush-of-the-caller"
GATEWAY = "nx-hushhush-alice-0123456789abcdef"
BETAS = "claude-code-20250219,oauth-2025-04-20,future-thing-2027-01-01"
LOGIN = {"Authorization": f"Bearer {TOKEN}", "anthropic-beta": BETAS}
FORWARDS = "[llm.providers.anthropic]\nforward_login = true"
KEYS = f'[server.keys.alice]\nkey = "{GATEWAY}"\n'


def house(serve: Serve, upstream: FakeUpstream, more: str = "", *, allows: bool = True) -> Nexus:
    text = anthropic_config(upstream.base_url)
    return serve(more + (text.replace("[llm.providers.anthropic]", FORWARDS) if allows else text))


def test_the_login_goes_on_untouched(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream)
    assert nexus.messages(MESSAGES, LOGIN).status == 200
    (seen,) = anthropic_upstream.requests
    assert (seen.header("authorization"), seen.header("anthropic-beta")) == (f"Bearer {TOKEN}", BETAS)
    assert seen.header("x-api-key") is None


def test_counting_uses_it_too(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream)
    body = {key: value for key, value in MESSAGES.items() if key != "max_tokens"}
    assert nexus.post("/llm/anthropic/v1/messages/count_tokens", body, LOGIN).status == 200
    assert anthropic_upstream.requests[0].header("authorization") == f"Bearer {TOKEN}"


@pytest.mark.parametrize("carrier", ["x-nexus-key", "Proxy-Authorization"])
def test_the_gateway_key_comes_beside_it(serve: Serve, anthropic_upstream: FakeUpstream, carrier: str) -> None:
    nexus = house(serve, anthropic_upstream, KEYS)
    value = GATEWAY if carrier == "x-nexus-key" else f"Bearer {GATEWAY}"
    assert nexus.messages(MESSAGES, {**LOGIN, carrier: value}).status == 200
    (seen,) = anthropic_upstream.requests
    assert seen.header("authorization") == f"Bearer {TOKEN}"
    assert GATEWAY not in str(seen.headers)


def test_a_login_is_no_gateway_key(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream, KEYS)
    assert nexus.messages(MESSAGES, LOGIN).status == 401
    assert anthropic_upstream.requests == []


def test_a_gateway_key_in_its_place_is_no_login(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream, KEYS)
    assert nexus.messages(MESSAGES, {"Authorization": f"Bearer {GATEWAY}"}).status == 200
    (seen,) = anthropic_upstream.requests
    assert (seen.header("x-api-key"), seen.header("authorization")) == (KEY, None)


def test_without_a_login_the_houses_key_serves(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream)
    assert nexus.messages(MESSAGES).status == 200
    assert nexus.messages(MESSAGES, {"Authorization": "Basic dTpw"}).status == 200
    assert [seen.header("x-api-key") for seen in anthropic_upstream.requests] == [KEY, KEY]


def test_without_either_it_is_refused(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    toml = anthropic_config(anthropic_upstream.base_url).replace(f'api_key = "{KEY}"\n', "")
    nexus = serve(toml.replace("[llm.providers.anthropic]", FORWARDS))
    reply = nexus.messages(MESSAGES)
    assert (reply.status, reply.json["error"]["type"]) == (401, "authentication_error")
    assert nexus.messages(MESSAGES, LOGIN).status == 200
    assert len(anthropic_upstream.requests) == 1


def test_where_it_is_not_allowed_it_stays_at_home(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream, allows=False)
    assert nexus.messages(MESSAGES, LOGIN).status == 200
    (seen,) = anthropic_upstream.requests
    assert (seen.header("x-api-key"), seen.header("authorization")) == (KEY, None)


def test_a_key_sent_for_the_vendor_comes_first(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    text = anthropic_config(anthropic_upstream.base_url)
    nexus = serve(text.replace("[llm.providers.anthropic]", f"{FORWARDS}\nforward_token = true"))
    own = "sk-hushhush-own-vendor-key"
    assert nexus.messages(MESSAGES, {**LOGIN, "x-provider-api-key": own}).status == 200
    (seen,) = anthropic_upstream.requests
    assert (seen.header("x-api-key"), seen.header("authorization")) == (own, None)


def test_the_sdk_logs_in_like_this(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream, KEYS)
    with anthropic.Anthropic(
        base_url=nexus.anthropic, auth_token=TOKEN, api_key=None, default_headers={"x-nexus-key": GATEWAY}
    ) as client:
        client.messages.create(model="anthropic/claude", max_tokens=64, messages=[{"role": "user", "content": "Hi"}])
    assert anthropic_upstream.requests[0].header("authorization") == f"Bearer {TOKEN}"

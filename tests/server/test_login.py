"""Forwarded claude.ai logins: the caller's own token and betas reach Anthropic, a gateway key never does.

Only if the provider allows it, only a real login of a Messages client, only to Anthropic's host. No other credential of
a client reaches any vendor.
"""

import contextlib
import http.client
import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from nexus.settings import SettingsError, load
from tests.conftest import Serve
from tests.server.vendors import LANES, Lane
from tests.serving import KEY, MESSAGES, Nexus, anthropic_config
from tools.fake_upstream import FakeUpstream, SeenRequest

TOKEN = "sk-ant-oat01-hushhush-of-the-caller"
GATEWAY = "nx-hushhush-alice-0123456789abcdef"
BETAS = "claude-code-20250219,oauth-2025-04-20,future-thing-2027-01-01"
LOGIN = {"Authorization": f"Bearer {TOKEN}", "anthropic-beta": BETAS}
FORWARDS = '[llm.providers.anthropic]\nforward_login = "127.0.0.1"'
KEYS = f'[server.keys.alice]\nkey = "{GATEWAY}"\n'


def house(serve: Serve, upstream: FakeUpstream, more: str = "") -> Nexus:
    return serve(more + anthropic_config(upstream.base_url).replace("[llm.providers.anthropic]", FORWARDS))


def test_the_login_is_forwarded_unchanged(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream)
    assert nexus.messages(MESSAGES, LOGIN).status == 200
    (seen,) = anthropic_upstream.requests
    assert (seen.header("authorization"), seen.header("anthropic-beta")) == (f"Bearer {TOKEN}", BETAS)
    assert seen.header("x-api-key") is None


def test_counting_tokens_forwards_the_login(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream)
    body = {key: value for key, value in MESSAGES.items() if key != "max_tokens"}
    assert nexus.post("/llm/anthropic/v1/messages/count_tokens", body, LOGIN).status == 200
    (seen,) = anthropic_upstream.requests
    assert (seen.header("authorization"), seen.header("anthropic-beta")) == (f"Bearer {TOKEN}", BETAS)


@pytest.mark.parametrize("carrier", ["x-nexus-key", "Proxy-Authorization"])
def test_the_gateway_key_can_be_sent_along_with_the_login(
    serve: Serve, anthropic_upstream: FakeUpstream, carrier: str
) -> None:
    nexus = house(serve, anthropic_upstream, KEYS)
    value = GATEWAY if carrier == "x-nexus-key" else f"Bearer {GATEWAY}"
    assert nexus.messages(MESSAGES, {**LOGIN, carrier: value}).status == 200
    (seen,) = anthropic_upstream.requests
    assert seen.header("authorization") == f"Bearer {TOKEN}"
    assert GATEWAY not in str(seen.headers)


OPENAI_KEY = "sk-proj-hushhush-of-the-caller"
OWN = "sk-hushhush-own-vendor-key"
OAUTH = {"anthropic-beta": "oauth-2025-04-20"}
BOTH = f"{FORWARDS}\nforward_token = true"

# The provider's table, what the client sends, and the vendor's x-api-key and authorization.
SENT: dict[str, tuple[str, dict[str, str], tuple[str | None, str | None]]] = {
    "nothing": (FORWARDS, {}, (KEY, None)),
    "a login that is not allowed": ("[llm.providers.anthropic]", LOGIN, (KEY, None)),
    "the caller's own vendor key beside a login": (BOTH, {**LOGIN, "x-provider-api-key": OWN}, (OWN, None)),
    "any token with the OAuth beta": (
        FORWARDS,
        {"Authorization": "Bearer hushhush-opaque", "anthropic-beta": "a-2025-01-01, oauth-2025-04-20"},
        (None, "Bearer hushhush-opaque"),
    ),
    "a gateway key": (KEYS + FORWARDS, {"Authorization": f"Bearer {GATEWAY}"}, (KEY, None)),
    "an OpenAI key": (FORWARDS, {"Authorization": f"Bearer {OPENAI_KEY}"}, (KEY, None)),
    "an OpenAI key and a beta": (FORWARDS, {"Authorization": f"Bearer {OPENAI_KEY}", **OAUTH}, (KEY, None)),
    "an Anthropic key": (FORWARDS, {"Authorization": "Bearer sk-ant-api03-hushhush-caller", **OAUTH}, (KEY, None)),
    "any text": (FORWARDS, {"Authorization": "Bearer not-used"}, (KEY, None)),
    "a foreign token": (FORWARDS, {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.hushhush.x"}, (KEY, None)),
    "another scheme": (FORWARDS, {"Authorization": f"Basic {TOKEN}"}, (KEY, None)),
    "a beta that only begins so": (
        FORWARDS,
        {"Authorization": "Bearer hushhush", "anthropic-beta": "oauth-2025-04-20-x, oauthful"},
        (KEY, None),
    ),
}


@pytest.mark.parametrize(("table", "sent", "seen"), SENT.values(), ids=SENT.keys())
def test_only_a_login_is_forwarded(
    serve: Serve,
    anthropic_upstream: FakeUpstream,
    table: str,
    sent: dict[str, str],
    seen: tuple[str | None, str | None],
) -> None:
    nexus = serve(anthropic_config(anthropic_upstream.base_url).replace("[llm.providers.anthropic]", table))
    assert nexus.messages(MESSAGES, sent).status == 200
    (request,) = anthropic_upstream.requests
    assert (request.header("x-api-key"), request.header("authorization")) == seen


CLIENT_KEYS = {
    "an OpenAI key": OPENAI_KEY,
    "an Anthropic key": "sk-ant-api03-hushhush-of-the-caller",
    "a login": TOKEN,
    "any text": "not-used-hushhush",
}
OTHER_HEADERS = (
    "api-key",
    "x-goog-api-key",
    "cookie",
    "anthropic-api-key",
    "anthropic-auth-token",
    "x-claude-code-token",
)
GUARDS: dict[str, tuple[str, dict[str, str]]] = {
    "open": ("", {}),
    "gateway keys": (KEYS, {"x-nexus-key": GATEWAY, "anthropic-beta": "oauth-2025-04-20"}),
}
RESPONSES = Lane("openai responses", "openai", "gpt-4.1", None)


def lane_config(lane: Lane, upstream: FakeUpstream, folder: Path) -> str:
    config = lane.config(upstream, folder)
    if lane is RESPONSES:
        return config.replace('type = "openai"', 'type = "openai"\nresponses = true')
    return config.replace('type = "anthropic"', 'type = "anthropic"\nforward_login = "127.0.0.1"')


def ask_for_everything(nexus: Nexus, chat_key: str, claude_key: str, bearer: str, sent: dict[str, str]) -> None:
    """Every client protocol, through every SDK, whole and streamed."""
    ask: dict[str, Any] = {"model": "v/m", "messages": [{"role": "user", "content": "Hi"}]}
    with (
        openai.OpenAI(base_url=nexus.openai, api_key=chat_key, max_retries=0, default_headers=sent) as chat,
        anthropic.Anthropic(
            base_url=nexus.anthropic, api_key=claude_key, max_retries=0, default_headers=sent
        ) as claude,
        anthropic.Anthropic(
            base_url=nexus.anthropic, auth_token=bearer, api_key=None, max_retries=0, default_headers=sent
        ) as login,
    ):
        chat.chat.completions.create(**ask)
        list(chat.chat.completions.create(**ask, stream=True))
        chat.responses.create(model="v/m", input="Hi")
        list(chat.responses.create(model="v/m", input="Hi", stream=True))
        # The fakes neither store nor count anything in this protocol; the test still checks what they were sent.
        for call in (
            lambda: chat.responses.retrieve("resp_1"),
            lambda: chat.responses.delete("resp_1"),
            lambda: chat.responses.input_tokens.count(model="v/m", input="Hi"),
        ):
            with contextlib.suppress(openai.APIStatusError):
                call()
        for client in (claude, login):
            client.messages.create(**ask, max_tokens=64)
            list(client.messages.create(**ask, max_tokens=64, stream=True))
            client.messages.count_tokens(**ask)
            client.models.list()
        chat.models.list()


def carries(seen: SeenRequest, text: str) -> bool:
    return any(text in value for _, value in seen.headers) or text in seen.path or text.encode() in seen.body


EVERY_LANE = {
    # One that forwards logins and one that never does, in every run.
    lane.name: pytest.param(lane, marks=() if lane.name in ("anthropic", "openai") else pytest.mark.slow)
    for lane in (*LANES, RESPONSES)
}


@pytest.mark.parametrize(("keys", "beside"), GUARDS.values(), ids=GUARDS.keys())
@pytest.mark.parametrize("lane", EVERY_LANE.values(), ids=EVERY_LANE)
def test_no_clients_key_reaches_a_vendor_on_any_lane(
    serve: Serve, tmp_path: Path, lane: Lane, keys: str, beside: dict[str, str]
) -> None:
    """Except a Messages client's own login, which goes to Anthropic."""
    with FakeUpstream(lane.vendor) as upstream:
        nexus = serve(keys + lane_config(lane, upstream, tmp_path))
        for key in CLIENT_KEYS.values():
            sent = dict.fromkeys(OTHER_HEADERS, key) | beside
            if not beside:
                sent["proxy-authorization"] = f"Bearer {key}"
            ask_for_everything(nexus, f"{key}-chat", f"{key}-claude", f"{key}-bearer", sent)
        if keys:
            ask_for_everything(nexus, GATEWAY, GATEWAY, GATEWAY, {"anthropic-beta": "oauth-2025-04-20"})
    carried = [
        seen for seen in upstream.requests if any(carries(seen, key) for key in (GATEWAY, *CLIENT_KEYS.values()))
    ]
    if lane.vendor == "anthropic":
        # The newest SDK also sends its api_key as Bearer; next to the OAuth beta any text may be a login.
        keys_that_go = [TOKEN, *([CLIENT_KEYS["any text"]] if beside else [])]
        logins = {f"Bearer {key}-{client}" for key in keys_that_go for client in ("claude", "bearer")}
        assert {seen.header("authorization") for seen in carried} == logins
        assert all(seen.header("x-api-key") is None for seen in carried)
    else:
        assert carried == []
    assert upstream.requests


def test_a_key_in_the_query_does_not_reach_a_vendor(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = house(serve, anthropic_upstream)
    path = "/llm/anthropic/v1/messages?beta=true&key=sk-hushhush-of-the-caller&api-key=sk-hushhush-of-the-caller"
    assert nexus.post(path, MESSAGES).status == 200
    assert anthropic_upstream.requests[0].path == "/v1/messages?beta=true"


def test_two_authorization_headers_are_not_a_login(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    """The second one may be another vendor's key."""
    nexus = house(serve, anthropic_upstream)
    connection = http.client.HTTPConnection("127.0.0.1", nexus.port, timeout=30)
    body = json.dumps(MESSAGES).encode()
    connection.putrequest("POST", "/llm/anthropic/v1/messages")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader("Authorization", "Bearer sk-proj-hushhush-of-the-caller")
    connection.endheaders(body)
    assert connection.getresponse().status == 200
    connection.close()
    (seen,) = anthropic_upstream.requests
    assert (seen.header("x-api-key"), seen.header("authorization")) == (KEY, None)


HOSTS = {
    "its own vendor": ("forward_login = true", None),
    "its own vendor, written out": ('forward_login = true\nbase_url = "https://api.anthropic.com/v1"', None),
    "another host, allowed": ('forward_login = "claude.example"\nbase_url = "https://claude.example/v1"', None),
    "its own vendor, unencrypted": ('forward_login = true\nbase_url = "http://api.anthropic.com"', "unencrypted"),
    "its own vendor, named and unencrypted": (
        'forward_login = "api.anthropic.com"\nbase_url = "http://api.anthropic.com"',
        "unencrypted",
    ),
    "another host, allowed in capitals": (
        'forward_login = "Claude.Example"\nbase_url = "https://CLAUDE.example"',
        None,
    ),
    "no login to another host": ('forward_login = false\napi_key = "k"\nbase_url = "https://claude.example"', None),
    "another host": ('forward_login = true\nbase_url = "https://claude.example/v1"', 'name the host: "claude.example"'),
    "a third host": ('forward_login = "a.example"\nbase_url = "https://b.example"', 'name the host: "b.example"'),
    "a host that is not the provider's": ('forward_login = "claude.example"', 'name the host: "api.anthropic.com"'),
}


@pytest.mark.parametrize(("lines", "problem"), HOSTS.values(), ids=HOSTS.keys())
def test_logins_are_sent_to_one_host_only(tmp_path: Path, lines: str, problem: str | None) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(f'[llm.providers.a]\ntype = "anthropic"\n{lines}\nmodels.m = {{}}\n')
    if problem is None:
        assert load(file, {}).llm.providers["a"].takes_callers_key is ("= false" not in lines)
    else:
        with pytest.raises(SettingsError) as caught:
            load(file, {})
        assert problem in str(caught.value)

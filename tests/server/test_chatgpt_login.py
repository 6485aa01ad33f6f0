"""Forwarded ChatGPT logins: Codex's own token is sent to the one host that accepts it; anything else is not
forwarded.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from nexus.providers.openai.login import login_in
from nexus.server.clients import Access, codex
from nexus.settings import SettingsError, load
from nexus.settings.registry import load as load_provider
from tests.conftest import Serve
from tests.serving import KEY, Nexus
from tools.fake_upstream import FakeUpstream

GATEWAY = "nx-hushhush-alice-0123456789abcdef"
KEYS = f'[server.keys.alice]\nkey = "{GATEWAY}"\n'
BODY = {"model": "chatgpt/gpt-5.5", "input": "Hi", "store": False}


def token(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, claims or {"iss": "https://auth.openai.com"}, "hushhush")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


TOKEN = token()
LOGIN = {"Authorization": f"Bearer {TOKEN}", "ChatGPT-Account-ID": "acct-1", "originator": "codex_exec"}


def house(serve: Serve, upstream: FakeUpstream, more: str = "", key: str = "") -> Nexus:
    table = '[llm.providers.chatgpt]\ntype = "openai"\nforward_login = "127.0.0.1"\n'
    return serve(f'{more}{table}{key}base_url = "{upstream.base_url}"\nmodels."gpt-5.5" = {{}}\n')


def ask(nexus: Nexus, headers: dict[str, str], path: str = "responses", body: Any = None) -> int:
    return nexus.post(f"/llm/openai/v1/{path}", body or BODY, headers).status


def test_the_login_is_forwarded_along_with_a_gateway_key(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = house(serve, openai_upstream, KEYS)
    assert ask(nexus, {**LOGIN, "x-nexus-key": GATEWAY, "User-Agent": "codex_exec/0.171"}) == 200
    (seen,) = openai_upstream.requests
    assert (seen.header("authorization"), seen.header("chatgpt-account-id")) == (LOGIN["Authorization"], "acct-1")
    assert (seen.header("user-agent"), seen.header("originator")) == ("codex_exec/0.171", "codex_exec")
    assert GATEWAY not in str(seen.headers)
    assert ask(nexus, LOGIN) == 401, "a login is not a gateway key"


def test_without_a_login_the_call_is_rejected_or_uses_the_configured_key(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    nexus = house(serve, openai_upstream)
    assert ask(nexus, {}) == 401
    assert ask(house(serve, openai_upstream, key=f'api_key = "{KEY}"\n'), {}) == 200
    assert [seen.header("authorization") for seen in openai_upstream.requests] == [f"Bearer {KEY}"]
    assert openai_upstream.requests[0].header("user-agent") != "codex_exec/0.171"


def test_clients_of_other_dialects_cannot_send_a_login(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = house(serve, openai_upstream)
    chat = {"model": "chatgpt/gpt-5.5", "messages": [{"role": "user", "content": "Hi"}]}
    assert ask(nexus, LOGIN, "chat/completions", chat) == 401
    assert openai_upstream.requests == []


NO_LOGINS = {
    "an API key": {"authorization": "Bearer sk-proj-hushhush"},
    "a gateway's own token": {"authorization": f"Bearer {token(iss='https://login.example')}"},
    "no issuer": {"authorization": f"Bearer {token(sub='me')}"},
    "no token at all": {"authorization": "Bearer a.b.c"},
    "two of them": {"authorization": f"Bearer {TOKEN},Bearer {TOKEN}"},
    "another scheme": {"authorization": f"Basic {TOKEN}"},
}


@pytest.mark.parametrize("sent", NO_LOGINS.values(), ids=NO_LOGINS.keys())
def test_other_credentials_are_not_logins(sent: dict[str, str]) -> None:
    assert login_in({**sent, "chatgpt-account-id": "acct-1"}) is None


def test_a_login_names_its_account() -> None:
    assert login_in({"authorization": f"Bearer {TOKEN}"}) is None
    assert login_in({"authorization": f"bearer {TOKEN}", "chatgpt-account-id": "acct-1"}) is not None


HOSTS = {
    "the default host": ("forward_login = true", None),
    "the default host, written out": ('forward_login = true\nbase_url = "https://chatgpt.com/backend-api/codex"', None),
    "another host, allowed": ('forward_login = "codex.example"\nbase_url = "https://codex.example/v1"', None),
    "the API, which rejects logins": (
        'forward_login = true\nbase_url = "https://api.openai.com/v1"',
        'a host other than chatgpt.com; to allow it, name the host: "api.openai.com"',
    ),
    "unencrypted": ('forward_login = true\nbase_url = "http://chatgpt.com/backend-api/codex"', "unencrypted"),
    "neither key nor login": ("forward_login = false", "api_key"),
}


@pytest.mark.parametrize(("lines", "problem"), HOSTS.values(), ids=HOSTS.keys())
def test_logins_are_sent_to_one_host_only(tmp_path: Path, lines: str, problem: str | None) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(f'[llm.providers.v]\ntype = "openai"\n{lines}\nmodels."gpt-5.5" = {{}}\n')
    if problem is not None:
        with pytest.raises(SettingsError, match=problem):
            load(file, {})
        return
    table = load(file, {}).llm.providers["v"]
    provider = load_provider("openai")("v", table)
    assert provider.base_url == str(table.base_url or "https://chatgpt.com/backend-api/codex")
    assert provider.dialects_of("gpt-5.5", table.models["gpt-5.5"]) == ("responses",)
    provider.close()


def test_the_launcher_configures_codex(serve: Serve, openai_upstream: FakeUpstream) -> None:
    settings = house(serve, openai_upstream, KEYS).settings
    variables, options = codex(Access(settings, "http://127.0.0.1:8000", GATEWAY), "chatgpt/gpt-5.5")
    assert variables == {"NEXUS_KEY": GATEWAY}
    assert "requires_openai_auth = true" in options[3] and '{ "x-nexus-key" = "NEXUS_KEY" }' in options[3]

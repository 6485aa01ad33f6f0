"""How the vendor key is sent: header, scheme and query parameter, on both provider types with compatible servers.

The configured key and a caller's own key are sent the same way, and neither is ever repeated to a client.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import SettingsError, load, secrets
from tests.conftest import Serve
from tests.serving import CHAT, KEY, MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

PAIR = "hushhush-user:hushhush-password"
PACKED = base64.b64encode(PAIR.encode()).decode()


@dataclass(frozen=True)
class Case:
    """``sent`` are the headers that the vendor must get; None stands for a header that it must not get."""

    settings: str
    sent: dict[str, str | None]
    kind: str = "openai"
    key: str = KEY


CASES = {
    "as it is": Case("", {"authorization": f"Bearer {KEY}"}),
    "Bearer": Case('auth_scheme = "Bearer"', {"authorization": f"Bearer {KEY}"}),
    "Token": Case('auth_scheme = "Token"', {"authorization": f"Token {KEY}"}),
    "none": Case('auth_scheme = "none"', {"authorization": KEY}),
    "Basic of a pair": Case('auth_scheme = "Basic"', {"authorization": f"Basic {PACKED}"}, key=PAIR),
    "Basic, encoded already": Case('auth_scheme = "Basic"', {"authorization": f"Basic {PACKED}"}, key=PACKED),
    "a separate header": Case('auth_header = "api-key"', {"api-key": KEY, "authorization": None}),
    "the same, said in full": Case(
        'auth_header = "Api-Key"\nauth_scheme = "none"', {"api-key": KEY, "authorization": None}
    ),
    "another header with a scheme": Case(
        'auth_header = "x-auth"\nauth_scheme = "Bearer"', {"x-auth": f"Bearer {KEY}", "authorization": None}
    ),
    "inserted by a rule": Case(
        'headers = [{rule = "insert", name = "authorization", value = "Custom hushhush-rule", allow_secret = true}]',
        {"authorization": "Custom hushhush-rule"},
    ),
    "removed by a rule": Case('headers = [{rule = "remove", name = "authorization"}]', {"authorization": None}),
    "a rule along with a separate header": Case(
        'auth_header = "api-key"\n'
        'headers = [{rule = "insert", name = "authorization", value = "Basic hushhush-proxy", allow_secret = true}]',
        {"api-key": KEY, "authorization": "Basic hushhush-proxy"},
    ),
    "anthropic as it is": Case("", {"x-api-key": KEY, "authorization": None}, "anthropic"),
    "anthropic with a bearer": Case(
        'auth_scheme = "Bearer"', {"authorization": f"Bearer {KEY}", "x-api-key": None}, "anthropic"
    ),
    "anthropic with Azure's header": Case('auth_header = "api-key"', {"api-key": KEY, "x-api-key": None}, "anthropic"),
    "anthropic, inserted by a rule": Case(
        'headers = [{rule = "insert", name = "x-api-key", value = "hushhush-rule", allow_secret = true}]',
        {"x-api-key": "hushhush-rule"},
        "anthropic",
    ),
}


def house(serve: Serve, upstream: FakeUpstream, case: Case, more: str = "") -> Nexus:
    model = "gpt-4" if case.kind == "openai" else "claude-sonnet-4-5"
    return serve(
        f'[llm.providers.v]\ntype = "{case.kind}"\napi_key = "{case.key}"\n'
        f'base_url = "{upstream.base_url}"\n{case.settings}\n{more}\nmodels.m.rename = "{model}"\n'
    )


def ask(nexus: Nexus, case: Case, headers: dict[str, str] | None = None) -> Any:
    if case.kind == "openai":
        return nexus.chat({**CHAT, "model": "v/m"}, headers)
    return nexus.messages({**MESSAGES, "model": "v/m"}, headers)


@pytest.fixture
def upstream(case: Case) -> Any:
    # This test checks the key, not the fake.
    with FakeUpstream(case.kind) as vendor:
        yield vendor


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_key_is_sent_as_configured(serve: Serve, upstream: FakeUpstream, case: Case) -> None:
    ask(house(serve, upstream, case), case)
    seen = upstream.requests[0]
    assert {name: seen.header(name) for name in case.sent} == case.sent


@pytest.mark.parametrize("case", [CASES["Basic of a pair"]], ids=["Basic"])
def test_an_encoded_user_and_password_is_not_repeated_to_the_client(
    serve: Serve, upstream: FakeUpstream, case: Case
) -> None:
    upstream.default = Behaviour(status=400, message=f"what is {PACKED}?", error_type="invalid_request_error")
    nexus = house(serve, upstream, case)
    assert PACKED in secrets(nexus.settings)
    assert PACKED not in ask(nexus, case).body.decode()


INSERT = '{rule = "insert", name = "authorization", value = "hushhush-rule", allow_secret = true}'
REFUSED = {
    "a rule and a scheme": (
        f'auth_scheme = "Token"\nheaders = [{INSERT}]',
        "headers[0].name: sets the header authorization",
    ),
    "a rule of a model and a scheme": (
        f'auth_scheme = "Token"\nmodels.n.headers = [{INSERT}]',
        "models.n.headers[0].name: sets the header authorization",
    ),
    "a removal and a scheme": (
        'auth_scheme = "Token"\nheaders = [{rule = "remove", name = "authorization"}]',
        "headers[0].name: sets the header authorization",
    ),
    "a rule for the configured header": (
        'auth_header = "api-key"\nheaders = [{rule = "insert", name = "api-key", value = "x", allow_secret = true}]',
        "headers[0].name: sets the header api-key, as auth_header does",
    ),
    "another scheme": ('auth_scheme = "Digest"', "auth_scheme:"),
    "a header of the connection": ('auth_header = "host"', "auth_header: is a connection or framing header"),
    "a header of Nexus": ('auth_header = "x-nexus-key"', "auth_header: is a header for Nexus only"),
    "a parameter twice": (
        'base_url = "http://localhost/v1?a=1"\nquery = {a = "2"}',
        "base_url: has a parameter that query sets too",
    ),
    "a fragment": ('base_url = "http://localhost/v1?a=1#b"', "base_url: must not have"),
    "a parameter without a name": ('query = {"" = "2"}', "query: has a parameter without a name"),
    "a command and a key": ('api_key_command = ["x"]', "api_key_command: cannot be combined with api_key"),
    "no command": ("api_key_command = []", "api_key_command: is empty"),
    "a refresh of nothing": ('api_key_refresh = "1h"', "api_key_refresh: has no effect"),
    "Entra and a key": ("entra = {}", "entra: cannot be combined with a key"),
    "half an application": ('entra = {client_secret = "hushhush-x"}', "entra.tenant_id: is missing"),
    "a tenant without a secret": ('entra = {tenant_id = "t"}', "entra.tenant_id: has no effect without client_secret"),
    "a tenant that leads elsewhere": (
        'entra = {tenant_id = "../x", client_id = "c", client_secret = "hushhush-s"}',
        "entra.tenant_id: is not a tenant",
    ),
}


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_settings_are_rejected_at_start(tmp_path: Path, kind: str, text: str, said: str) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(f'[llm.providers.v]\ntype = "{kind}"\napi_key = "{KEY}"\nmodels.m = {{}}\n{text}\n')
    with pytest.raises(SettingsError) as refused:
        load(file, {})
    assert any(said in str(problem) for problem in refused.value.problems), refused.value.problems


SIGNED = {
    "Vertex": ('type = "google"\nproject = "p"', "authorization"),
    "Vertex's project": ('type = "google"\nproject = "p"', "x-goog-user-project"),
    "Bedrock": ('type = "bedrock"\nregion = "us-east-1"', "authorization"),
    "Bedrock with a key": ('type = "bedrock"\nregion = "us-east-1"\napi_key = "hushhush-x"', "authorization"),
}


@pytest.mark.parametrize("rule", ["insert", "forward", "remove"])
@pytest.mark.parametrize(("provider", "header"), SIGNED.values(), ids=SIGNED.keys())
def test_a_header_rule_for_the_credentials_header_is_rejected(
    tmp_path: Path, provider: str, header: str, rule: str
) -> None:
    said = {"insert": 'value = "x"', "forward": 'default = "x"', "remove": ""}[rule]
    opened = "" if rule == "remove" or header.startswith("x-") else "allow_secret = true"
    keys = ", ".join(filter(None, [f'rule = "{rule}"', f'name = "{header}"', said, opened]))
    file = tmp_path / "nexus.toml"
    file.write_text(f"[llm.providers.v]\n{provider}\nheaders = [{{{keys}}}]\nmodels.m = {{}}\n")
    with pytest.raises(SettingsError, match="in which Nexus sends the credential"):
        load(file, {})


def test_a_header_rule_is_rejected_where_logins_are_forwarded(tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(
        f'[llm.providers.v]\ntype = "anthropic"\nforward_login = true\nheaders = [{INSERT}]\nmodels.m = {{}}\n'
    )
    with pytest.raises(SettingsError, match="which carries the callers' logins"):
        load(file, {})


QUERIES = {
    "a table": ('query = {api-version = "2024-10-21"}', "", "api-version=2024-10-21"),
    "in the address": ("", "?api-version=2024-10-21", "api-version=2024-10-21"),
    "both": ('query = {b = "2 3"}', "?a=1", "a=1&b=2%203"),
    "an empty one": ("", "?", ""),
}


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(("settings", "behind", "expected"), QUERIES.values(), ids=QUERIES.keys())
def test_a_configured_query_is_sent(serve: Serve, kind: str, settings: str, behind: str, expected: str) -> None:
    case = Case(settings, {}, kind)
    with FakeUpstream(kind) as upstream:
        text = upstream.base_url + behind
        model = "gpt-4" if kind == "openai" else "claude-sonnet-4-5"
        nexus = serve(
            f'[llm.providers.v]\ntype = "{kind}"\napi_key = "{KEY}"\nbase_url = "{text}"\n{settings}\n'
            f'models.m.rename = "{model}"\n'
        )
        assert ask(nexus, case).status == 200
        assert upstream.requests[0].query == expected


PASTED = {
    "openai": ["/v1/chat/completions", "/v1/chat/completions/", "/v1/responses", "/v1"],
    "anthropic": ["/v1/messages", "/v1", ""],
}


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in PASTED.items() for path in paths])
def test_a_base_url_may_be_the_full_endpoint(serve: Serve, kind: str, path: str) -> None:
    with FakeUpstream(kind) as upstream:
        model = "gpt-4" if kind == "openai" else "claude-sonnet-4-5"
        where = f'base_url = "{upstream.origin}{path}?api-version=1"'
        nexus = serve(f'[llm.providers.v]\ntype = "{kind}"\napi_key = "{KEY}"\n{where}\nmodels.m.rename = "{model}"\n')
        assert ask(nexus, Case("", {}, kind)).status == 200
        assert upstream.requests[0].query == "api-version=1"


def test_a_clients_query_is_merged_and_the_configured_one_wins(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = house(serve, openai_upstream, Case('query = {api-version = "ours"}', {}))
    for theirs in ("", "?b=2", "?api-version=theirs&b=2", "?api%2Dversion=theirs&b=2&key=hushhush-key"):
        assert nexus.post(f"/llm/openai/v1/chat/completions{theirs}", {**CHAT, "model": "v/m"}).status == 200
    assert [seen.query for seen in openai_upstream.requests] == ["api-version=ours", *["api-version=ours&b=2"] * 3]


def test_a_secret_in_the_query_is_hidden(serve: Serve, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=400, message="what is hushhush-signature?")
    nexus = house(serve, openai_upstream, Case('query = {sig = "hushhush-signature", v = "2024-10-21"}', {}))
    assert "hushhush-signature" in secrets(nexus.settings)
    assert "2024-10-21" not in secrets(nexus.settings)
    assert "hushhush" not in ask(nexus, CASES["as it is"]).body.decode()


def test_a_base_url_without_v1_works(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(
        f'[llm.providers.v]\ntype = "openai"\napi_key = "none"\nbase_url = "{openai_upstream.origin}"\n'
        'models.m.rename = "gpt-4"\n'
    )
    assert [ask(nexus, CASES["as it is"]).status for _ in range(2)] == [200, 200]
    assert [seen.route for seen in openai_upstream.requests] == ["/chat/completions", *["/v1/chat/completions"] * 2]


def test_a_path_that_does_not_exist_returns_the_servers_first_error(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    nexus = serve(
        f'[llm.providers.v]\ntype = "openai"\napi_key = "none"\nbase_url = "{openai_upstream.origin}"\n'
        'models.m.rename = "gpt-4"\n'
    )
    openai_upstream.next(Behaviour(status=404, message="the first"), Behaviour(status=404, message="the second"))
    # The fake itself refuses the first path.
    assert "/chat/completions: no such path" in ask(nexus, CASES["as it is"]).body.decode()

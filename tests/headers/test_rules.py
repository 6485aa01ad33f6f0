"""Header rules by table: what is forwarded, what is rejected at load, and that credentials are not forwarded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from nexus.headers.names import FRAMING, HOP_BY_HOP, OWN_CREDENTIALS, is_denied, is_secret, matches_no_pattern
from nexus.headers.rules import apply, rewrite
from nexus.settings.header_rules import HeaderRule, HeaderRules
from nexus.settings.types import Table


class Holder(Table):
    headers: HeaderRules = ()


def rules(*tables: dict[str, Any]) -> tuple[HeaderRule, ...]:
    return Holder.model_validate({"headers": list(tables)}).headers


def forward(**keys: Any) -> dict[str, Any]:
    return {"rule": "forward", **keys}


def insert(name: str, value: str = "v", **keys: Any) -> dict[str, Any]:
    return {"rule": "insert", "name": name, "value": value, **keys}


def remove(**keys: Any) -> dict[str, Any]:
    return {"rule": "remove", **keys}


def duplicate(**keys: Any) -> dict[str, Any]:
    return {"rule": "rename_duplicate", **keys}


CLIENT = {
    "x-team": "red",
    "x-app-id": "7",
    "x-app-name": "shop",
    "user-agent": "sdk/1",
    "authorization": "Bearer hushhush-client",
    "x-api-key": "hushhush-client",
    "cookie": "a=b",
    "proxy-authorization": "Bearer nx-1",
    "x-nexus-key": "nx-1",
    "x-provider-api-key": "hushhush-vendor",
    "x-forwarded-for": "1.2.3.4",
    "connection": "keep-alive, X-Hop",
    "x-hop": "1",
    "host": "gateway",
    "content-length": "5",
    "idempotency-key": "k",
}
OWN = {"authorization": "Bearer house", "content-type": "application/json", "user-agent": "nexus"}

APPLIED: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "no rules": ([], {}),
    "forward by name": ([forward(name="X-Team")], {"x-team": "red"}),
    "forward what is not there": ([forward(name="x-nope")], {}),
    "default": ([forward(name="x-nope", default="d")], {"x-nope": "d"}),
    "default unused": ([forward(name="x-team", default="d")], {"x-team": "red"}),
    "rename": ([forward(name="x-team", rename="X-Group")], {"x-group": "red"}),
    "default and rename": ([forward(name="x-nope", default="d", rename="x-yes")], {"x-yes": "d"}),
    "forward by pattern": ([forward(pattern="^x-app-")], {"x-app-id": "7", "x-app-name": "shop"}),
    "pattern anywhere, any case": ([forward(pattern="APP-N")], {"x-app-name": "shop"}),
    "pattern and rename collapse": ([forward(pattern="^x-app-", rename="x-app")], {"x-app": "shop"}),
    "everything": (
        [forward(pattern=".*")],
        {"x-team": "red", "x-app-id": "7", "x-app-name": "shop", "user-agent": "sdk/1", "idempotency-key": "k"},
    ),
    "pattern, then a rename takes the original name away": (
        [forward(pattern="^x-team"), forward(name="x-team", rename="y-team")],
        {"y-team": "red"},
    ),
    "client's place by name": ([forward(name="x-forwarded-for")], {"x-forwarded-for": "1.2.3.4"}),
    "what the client bound to its connection": ([forward(name="x-hop")], {}),
    "insert": ([insert("x-env", "prod")], {"x-env": "prod"}),
    "insert replaces": ([forward(name="x-team"), insert("x-team", "blue")], {"x-team": "blue"}),
    "insert replaces the provider's own": ([insert("user-agent", "me")], {"user-agent": "me"}),
    "a rule's credential replaces the provider's": (
        [insert("authorization", "mine", allow_secret=True)],
        {"authorization": "mine"},
    ),
    "the client's credential replaces the provider's": (
        [forward(name="authorization", allow_secret=True)],
        {"authorization": "Bearer hushhush-client"},
    ),
    "the provider's credential stays where the client has none": (
        [forward(name="proxy-token", rename="authorization", allow_secret=True)],
        {},
    ),
    "the client's credential where the provider has none": (
        [forward(name="x-api-key", allow_secret=True)],
        {"x-api-key": "hushhush-client"},
    ),
    "remove by name": ([forward(pattern="^x-app-"), remove(name="x-app-id")], {"x-app-name": "shop"}),
    "remove by pattern": ([forward(pattern="^x-"), remove(pattern="app")], {"x-team": "red"}),
    "remove comes too early": ([remove(name="x-team"), forward(name="x-team")], {"x-team": "red"}),
    "remove does not touch the provider's own": ([remove(pattern=".*")], {}),
    "duplicate": ([duplicate(name="x-team", rename="x-group")], {"x-team": "red", "x-group": "red"}),
    "duplicate of nothing": ([duplicate(name="x-nope", rename="x-yes")], {}),
    "duplicate of a default": ([duplicate(name="x-nope", rename="x-yes", default="d")], {"x-nope": "d", "x-yes": "d"}),
}


@pytest.mark.parametrize(("tables", "added"), APPLIED.values(), ids=APPLIED.keys())
def test_rules_are_applied(tables: list[dict[str, Any]], added: dict[str, str]) -> None:
    client, own = dict(CLIENT), dict(OWN)
    read = rules(*tables)
    assert apply(read, client, own) == {**OWN, **added}
    assert apply(read, client, own) == {**OWN, **added}
    assert (client, own) == (CLIENT, OWN)


def test_only_a_rule_by_name_removes_the_providers_credential() -> None:
    without = {name: value for name, value in OWN.items() if name != "authorization"}
    assert apply(rules(remove(name="authorization")), CLIENT, OWN) == without
    assert apply(rules(remove(name="authorization")), CLIENT, OWN, reserved=frozenset({"authorization"})) == OWN
    both = rules(remove(name="authorization"), insert("authorization", "mine", allow_secret=True))
    assert apply(both, CLIENT, OWN) == {**OWN, "authorization": "mine"}
    assert apply(rules(remove(pattern="auth")), CLIENT, OWN) == OWN


def test_a_rule_can_remove_headers_that_the_provider_passes_through() -> None:
    passed = {"anthropic-beta": "a", "anthropic-version": "1"}
    client = {**CLIENT, **passed}
    own = {"x-api-key": "house"}
    assert apply((), client, own, passed=passed) == {**own, **passed}
    without = apply(rules(remove(name="anthropic-beta")), client, own, passed=passed)
    assert without == {**own, "anthropic-version": "1"}
    nominated = {**client, "connection": "anthropic-beta"}
    assert "anthropic-beta" not in apply((), nominated, own, passed=passed)


def test_the_gateway_credential_is_never_forwarded_even_with_allow_secret() -> None:
    opened = rules(forward(name="authorization", allow_secret=True), forward(name="x-team"))
    client = {"authorization": "Bearer nx-hushhush-gateway", "x-team": "nx-hushhush-gateway"}
    assert apply(opened, client, {}) == client
    assert apply(opened, client, {}, credential_headers=frozenset({"authorization", "x-team"})) == {}


def test_client_headers_and_provider_headers_are_told_apart() -> None:
    client = {
        "anthropic-beta": "a",
        "content-type": "application/json",
        "x-api-key": "same",
        "x-spare": "nx-hushhush-gateway",
    }
    prepared = {**client, "anthropic-version": "1", "user-agent": "nexus"}
    everything = rules(remove(pattern=".*"))
    own = {"content-type": "application/json", "x-api-key": "same", "anthropic-version": "1", "user-agent": "nexus"}
    assert rewrite(everything, client, prepared) == own
    assert rewrite((), client, prepared) == prepared
    assert rewrite((), client, prepared, credential_headers=frozenset({"x-spare", "x-api-key"})) == {
        **own,
        "anthropic-beta": "a",
    }


RULE = 'must be "forward", "insert", "remove" or "rename_duplicate"'

REFUSED: dict[str, tuple[dict[str, Any], list[tuple[tuple[str | int, ...], str]]]] = {
    "no rule": ({"name": "x"}, [(("rule",), 'is missing; set it to "forward"')]),
    "unknown rule": ({"rule": "send"}, [(("rule",), RULE)]),
    "rule of another type": ({"rule": ["forward"]}, [(("rule",), RULE)]),
    "neither name nor pattern": (forward(), [(("name",), "set name or pattern")]),
    "name and pattern": (forward(name="x", pattern="x"), [(("pattern",), "cannot be combined with name")]),
    "remove of nothing": (remove(), [(("name",), "set name or pattern")]),
    "default beside a pattern": (forward(pattern="x", default="d"), [(("default",), "has no effect with pattern")]),
    "not a header name": (forward(name="x y"), [(("name",), "is not a header name")]),
    "line break in a name": (insert("x\r\ny"), [(("name",), "is not a header name")]),
    "line break in a value": (insert("x", "secret\r\ny: z"), [(("value",), "not allowed in an HTTP header")]),
    "empty value": (insert("x", " "), [(("value",), "is empty")]),
    "bad default": (forward(name="x", default="\x00"), [(("default",), "not allowed in an HTTP header")]),
    "bad pattern": (forward(pattern="(a"), [(("pattern",), "unclosed")]),
    "pattern of another type": (remove(pattern=1), [(("pattern",), "must be a string")]),
    "hop-by-hop header": (forward(name="Connection"), [(("name",), "connection or framing header")]),
    "framing": (insert("content-length"), [(("name",), "connection or framing header")]),
    "rename into framing": (forward(name="x", rename="Host"), [(("rename",), "connection or framing header")]),
    "duplicate into framing": (duplicate(name="x", rename="te"), [(("rename",), "connection or framing header")]),
    "web sockets": (forward(name="Sec-WebSocket-Key"), [(("name",), "connection or framing header")]),
    "the gateway's key": (forward(name="x-nexus-key"), [(("name",), "for Nexus only")]),
    "the gateway's key, with allow_secret": (
        forward(name="x-nexus-key", allow_secret=True),
        [(("name",), "for Nexus only")],
    ),
    "a caller's vendor key": (forward(name="X-Provider-API-Key"), [(("name",), "for Nexus only")]),
    "credential": (forward(name="Authorization"), [(("name",), "allow_secret = true")]),
    "a name that looks like a credential": (forward(name="x-acme-token"), [(("name",), "allow_secret = true")]),
    "rename into a credential": (forward(name="x", rename="x-api-key"), [(("rename",), "allow_secret = true")]),
    "insert of a credential": (insert("cookie"), [(("name",), "allow_secret = true")]),
    "allow_secret without a secret": (forward(name="x", allow_secret=True), [(("allow_secret",), "has no effect")]),
    "secret and pattern": (forward(pattern=".*", allow_secret=True), [(("allow_secret",), "has no effect")]),
    "insert by pattern": ({"rule": "insert", "pattern": "x", "name": "x", "value": "v"}, [(("pattern",), "Extra")]),
    "key of another rule": (remove(name="x", value="v"), [(("value",), "Extra")]),
}


@pytest.mark.parametrize(("table", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_rules_are_reported_at_their_place(
    table: dict[str, Any], expected: list[tuple[tuple[str | int, ...], str]]
) -> None:
    with pytest.raises(ValidationError) as caught:
        rules(insert("x-fine"), table)
    errors = caught.value.errors()
    assert [error["loc"] for error in errors] == [("headers", 1, *place) for place, _ in expected]
    for error, (_, message) in zip(errors, expected, strict=True):
        assert message in str(error["msg"])
    assert "secret\r" not in str(caught.value)


def test_a_rule_must_be_a_table() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(HeaderRules).validate_python(["forward"])


def test_the_base_rule_cannot_be_applied() -> None:
    with pytest.raises(NotImplementedError):
        apply((HeaderRule(rule="x"),), {}, {})


def test_repr_and_summary_hide_values() -> None:
    read = rules(insert("x-env", "s3cret-value"), forward(name="x", default="s3cret-default"))
    assert "s3cret" not in repr(read)
    assert "s3cret" not in " ".join(rule.summary() for rule in read)


def test_rule_summaries_contain_only_names() -> None:
    read = rules(
        forward(name="X-Team", default="d", rename="x-group"),
        forward(pattern="^x-app-"),
        forward(name="authorization", allow_secret=True),
        insert("x-env"),
        remove(name="x-a"),
        remove(pattern="b$"),
        duplicate(name="x-a", rename="x-b", default="c"),
    )
    assert [rule.summary() for rule in read] == [
        "forward x-team as x-group (with a default)",
        "forward /^x-app-/",
        "forward authorization (a credential)",
        "insert x-env",
        "remove x-a",
        "remove /b$/",
        "rename_duplicate x-a and x-b (with a default)",
    ]


SECRET_NAMES = [
    *OWN_CREDENTIALS,
    *("authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-goog-api-key", "anthropic-api-key"),
    *("x-amz-security-token", "x-auth-token", "x-acme-secret", "x-functions-key", "x-access-token", "cf-authorization"),
    *("x-csrf-token", "token", "x-authn", "x-auth", "x-auth-user", "apikey", "x-password", "ocp-apim-subscription-key"),
    # Tokens from proxies that log users in: Google's IAP, Cloudflare Access, Pomerium, AWS's load balancer.
    *("x-goog-iap-jwt-assertion", "cf-access-jwt-assertion", "x-pomerium-jwt-assertion", "x-amzn-oidc-data"),
    *("x-amzn-oidc-accesstoken", "x-csrftoken", "x-xsrftoken", "x-jwt-payload", "x-saml-assertion"),
]
PUBLIC_NAMES = [
    *("anthropic-beta", "x-team", "idempotency-key", "x-author", "x-max-tokens", "x-claude-code-session-id"),
    *("x-amzn-oidc-identity", "x-goog-authenticated-user-email"),
]


def test_credential_headers_are_recognized_by_name() -> None:
    assert [name for name in SECRET_NAMES if not is_secret(name)] == []
    assert [name for name in PUBLIC_NAMES if is_secret(name)] == []


NAMES = st.one_of(
    st.sampled_from([*SECRET_NAMES, *HOP_BY_HOP, *FRAMING, *PUBLIC_NAMES, "x-forwarded-for", "sec-websocket-key"]),
    st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True),
)


@given(
    st.dictionaries(NAMES, st.text("abc", max_size=3)),
    st.sampled_from([".", ".*", "^", "a|b", "key", "auth", "^[^:]*$", "-"]),
)
def test_no_pattern_forwards_credentials_or_framing(client: dict[str, str], pattern: str) -> None:
    own = {"authorization": "Bearer house"}
    sent = apply(rules(forward(pattern=pattern), forward(pattern=pattern)), client, own)
    assert sent.pop("authorization") == "Bearer house"
    assert not [name for name in sent if matches_no_pattern(name) or is_denied(name) or is_secret(name)]
    assert sent.items() <= client.items()

"""Identities, model allow-lists, and where caller ids are read from."""

import fnmatch
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexus.auth.claims import checked, choose_group, claim_at, values_of
from nexus.auth.credentials import LONGEST, credential_in
from nexus.auth.identity import Identity, Unidentified, joined, may_use
from nexus.errors import ClientError, InvalidRequest
from nexus.settings.keys import digest_of, matches
from tests.auth.kit import ALICE, BOB, lines, tables


def identity(**values: Any) -> Identity:
    blank: dict[str, Any] = {
        "client_id": None,
        "group": None,
        "models": None,
        "source": "open",
        "key": None,
        "owner": "",
    }
    return Identity(**{**blank, "owner": "", "credential_headers": frozenset(), **values})


def test_an_identity_has_no_defaults() -> None:
    with pytest.raises(TypeError):
        Identity()  # type: ignore[call-arg]


USE = {
    "all": (None, "any/thing", True),
    "provider": (("anthropic/*",), "anthropic/claude", True),
    "another provider": (("anthropic/*",), "openai/gpt", False),
    "provider by its beginning": (("anthropic/*",), "anthropic-2/claude", False),
    "exact": (("openai/gpt",), "openai/gpt", True),
    "longer": (("openai/gpt",), "openai/gpt-4", False),
    "alias on any provider": (("*/claude",), "vertex/claude", True),
    "slashes in an alias": (("router/*",), "router/meta/llama", True),
    "one of several": (("a/*", "b/x"), "b/x", True),
    "case differs": (("openai/GPT",), "openai/gpt", False),
    "no other signs": (("openai/gp?",), "openai/gpt", False),
    "brackets are brackets": (("openai/[g]pt",), "openai/gpt", False),
    "several stars": (("openai/*-4*-mini*",), "openai/gpt-4o-mini-x", True),
    "several stars, in another order": (("openai/*-mini*-4*",), "openai/gpt-4o-mini-x", False),
    "nothing": ((), "openai/gpt", False),
}


@pytest.mark.parametrize(("models", "model", "allowed"), USE.values(), ids=USE.keys())
def test_model_allow_lists(models: tuple[str, ...] | None, model: str, allowed: bool) -> None:
    assert may_use(identity(models=models), model) is allowed


@given(st.text("ab*/", max_size=8), st.text("ab/", max_size=8))
def test_a_star_matches_any_text(pattern: str, name: str) -> None:
    assert matches(pattern, name) is fnmatch.fnmatchcase(name, pattern)
    assert matches(pattern, name) is bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name))


def test_hostile_names_match_in_linear_time() -> None:
    assert not matches("*a" * 100 + "b", "a" * 1_000_000)


PARTS = st.lists(st.text(st.one_of(st.sampled_from(":%3A/"), st.characters(codec="utf-8")), max_size=6), max_size=4)


@given(PARTS, PARTS)
def test_joined_parts_never_collide(one: list[str], other: list[str]) -> None:
    if len(one) == len(other):
        assert (joined(*one) == joined(*other)) is (one == other)


def test_accounts_of_different_sources_are_separate() -> None:
    assert identity(client_id="alice", source="key").account == "key:alice"
    assert identity(client_id="alice", source="token").account == "token:alice"
    assert identity(client_id="a:b", source="key").account == "key:a%3Ab"
    assert identity().account is None


CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "n": 7,
    "yes": True,
    "half": 1.5,
    "groups": ["a", "pro"],
    "realm_access": {"roles": ["x"], "deep": {"er": "y"}},
    "https://example.com/groups": ["g"],
    "https://example.com/app": {"tier": "t"},
    "a.b": {"c": "long"},
    "a": {"b": {"c": "short"}},
    "none": None,
    "blank": " ",
    "mixed": [None, {"a": 1}, "", "last"],
    "huge": 10**5000,
}

FOUND = {
    "plain": ("sub", ["alice"]),
    "number": ("n", ["7"]),
    "a boolean is not an id": ("yes", []),
    "a fraction is not an id": ("half", []),
    "array": ("groups", ["a", "pro"]),
    "dotted": ("realm_access.roles", ["x"]),
    "deeper": ("realm_access.deep.er", ["y"]),
    "namespace": ("https://example.com/groups", ["g"]),
    "below a namespace": ("https://example.com/app.tier", ["t"]),
    "the longest name wins": ("a.b.c", ["long"]),
    "table": ("realm_access", []),
    "absent": ("nope", []),
    "below a value that is not a table": ("sub.x", []),
    "below an array": ("groups.0", []),
    "null": ("none", []),
    "blank": ("blank", []),
    "mixed": ("mixed", ["last"]),
    "a very long number": ("huge", []),
}


@pytest.mark.parametrize(("path", "values"), FOUND.values(), ids=FOUND.keys())
def test_claims_are_read_by_path(path: str, values: list[str]) -> None:
    assert values_of(claim_at(CLAIMS, path)) == values


GROUPS: dict[str, tuple[list[str], tuple[str, ...], str | None]] = {
    "none": ([], ("pro",), None),
    "known": (["pro"], ("free", "pro"), "pro"),
    "first that is known": (["everyone", "pro", "free"], ("free", "pro"), "pro"),
    "any, where none are listed": (["whatever"], (), "whatever"),
}


@pytest.mark.parametrize(("values", "allowed", "group"), GROUPS.values(), ids=GROUPS.keys())
def test_the_group_is_read_from_claims(values: list[str], allowed: tuple[str, ...], group: str | None) -> None:
    assert choose_group(values, allowed) == group


@pytest.mark.parametrize("values", [["vip"], ["PRO"], ["pro2", "x"]])
def test_an_unknown_group_is_rejected(values: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose_group(values, ("pro",))
    assert caught.value.status == 400


IDS = {"longest": ("a" * 256, True), "too long": ("a" * 257, False), "bell": ("a\x07", False), "break": ("a\nb", False)}
IDS |= {"separator": ("a\u2028b", False), "mail": ("a@b.c:1/2_3", True), "blank": ("  ", False), "umlaut": ("ü", True)}


@pytest.mark.parametrize(("value", "fine"), IDS.values(), ids=IDS.keys())
def test_caller_ids_are_validated(value: str, fine: bool) -> None:
    if fine:
        assert checked("client id", value) == value
        return
    with pytest.raises(InvalidRequest) as caught:
        checked("client id", value)
    assert caught.value.message.startswith("the client id ")
    assert value not in caught.value.message or not value.strip()


OWN = {"x-nexus-key", "proxy-authorization"}

CREDENTIALS: dict[str, tuple[dict[str, str | list[str]], str | None, set[str]]] = {
    "none": ({"accept": "*/*"}, None, set()),
    "bearer": ({"Authorization": "Bearer a"}, "a", {"authorization"}),
    "any case, many spaces": ({"AUTHORIZATION": "bEARER   a "}, "a", {"authorization"}),
    "x-api-key": ({"x-api-key": " a "}, "a", {"x-api-key"}),
    "x-nexus-key first": ({"x-nexus-key": "q", "authorization": "Bearer b", "x-api-key": "c"}, "q", set()),
    "then the proxy's": ({"proxy-authorization": "Bearer q", "authorization": "Bearer b"}, "q", set()),
    "own before the proxy's": ({"proxy-authorization": "Bearer b", "x-nexus-key": "q"}, "q", set()),
    "authorization before x-api-key": ({"x-api-key": "k", "authorization": "Bearer q"}, "q", {"authorization"}),
    "a token that looks like a gateway key": (
        {"x-api-key": "nx-k", "authorization": "Bearer q"},
        "nx-k",
        {"x-api-key"},
    ),
    "both of ours": ({"x-api-key": "nx-k", "authorization": "Bearer nx-q"}, "nx-q", {"authorization"}),
    "the same in both": ({"x-api-key": "qq", "authorization": "Bearer qq"}, "qq", {"authorization", "x-api-key"}),
    "the same in a strange place": ({"x-api-key": "qq", "x-other": "a qq b"}, "qq", {"x-api-key", "x-other"}),
    "another scheme beside a key": ({"authorization": "Basic q", "x-api-key": "k"}, "k", {"x-api-key"}),
    "another scheme beside our own": ({"authorization": "Basic q", "x-nexus-key": "k"}, "k", set()),
    "two lines beside our own": ({"authorization": ["Bearer x", "Bearer y"], "x-nexus-key": "k"}, "k", set()),
}


@pytest.mark.parametrize(("headers", "text", "credential_headers"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_the_credential_is_read_from_headers(
    headers: dict[str, str | list[str]], text: str | None, credential_headers: set[str]
) -> None:
    found = credential_in(lines(headers))
    assert (found.text if found else None) == text
    if found is not None:
        assert found.credential_headers == credential_headers | OWN
        assert f"'{found.text}'" not in repr(found)


BAD: dict[str, tuple[dict[str, str | list[str]], int]] = {
    "another scheme": ({"authorization": "Basic abc"}, 401),
    "no scheme": ({"authorization": "abc"}, 401),
    "scheme only": ({"authorization": "Bearer"}, 401),
    "scheme and spaces": ({"authorization": "Bearer   "}, 401),
    "empty": ({"x-api-key": ""}, 401),
    "empty own key beside a good one": ({"x-nexus-key": "", "authorization": "Bearer a"}, 401),
    "bad own scheme beside a good key": ({"proxy-authorization": "Basic a", "authorization": "Bearer a"}, 401),
    "two lines": ({"authorization": ["Bearer a", "Bearer b"]}, 400),
    "two equal lines": ({"x-nexus-key": ["a", "a"]}, 400),
    "too long": ({"x-api-key": "a" * (LONGEST + 1)}, 401),
}


@pytest.mark.parametrize(("headers", "status"), BAD.values(), ids=BAD.keys())
def test_malformed_credentials_are_rejected(headers: dict[str, str | list[str]], status: int) -> None:
    with pytest.raises(ClientError) as caught:
        credential_in(lines(headers))
    assert caught.value.status == status
    if status == 401:
        assert isinstance(caught.value, Unidentified) and caught.value.sent


KEYS = {"alice": {"key": ALICE}, "bob": {"sha256": digest_of(BOB).hex()}}
OAUTH = {"url": "https://id.example.com/jwks"}
BOTH = {"keys": KEYS, "oauth": OAUTH}


def on(**keys: Any) -> dict[str, Any]:
    return {"enabled": True, **keys}


CI = "client_identification"

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no callers to identify": ({CI: on()}, "client_id", "is missing"),
    "claim without tokens": (
        {"keys": KEYS, CI: on(client_id={"jwt_claim": "sub"})},
        "client_id.jwt_claim",
        "needs [server.oauth]",
    ),
    "keys without keys": (
        {"oauth": OAUTH, CI: on(client_id={"gateway_key": True})},
        "client_id.gateway_key",
        "needs a key",
    ),
    "both, tokens forgotten": (
        {**BOTH, CI: on(client_id={"gateway_key": True})},
        "client_id",
        "does not identify callers with a token",
    ),
    "both, keys forgotten": (
        {**BOTH, CI: on(client_id={"jwt_claim": "sub"})},
        "client_id",
        "does not identify callers with a gateway key",
    ),
    "no source": ({CI: on(client_id={})}, "client_id", "names no source"),
    "two sources": (
        {"keys": KEYS, CI: on(client_id={"http_header": "x-a", "gateway_key": True})},
        "client_id.http_header",
        "cannot be combined with",
    ),
    "id in a credential": (
        {CI: on(client_id={"http_header": "Authorization"})},
        "client_id.http_header",
        "choose another one",
    ),
    "not a header": ({CI: on(client_id={"http_header": "a b"})}, "client_id.http_header", "not a header"),
    "empty path": ({CI: on(client_id={"jwt_claim": ""})}, "client_id.jwt_claim", "not a claim path"),
    "path with an empty step": ({CI: on(client_id={"jwt_claim": "a..b"})}, "client_id.jwt_claim", "not a claim path"),
    "path that is too long": ({CI: on(client_id={"jwt_claim": "a" + ".a" * 16})}, "client_id.jwt_claim", "steps"),
    "groups without a source": (
        {"keys": KEYS, CI: on(validation={"group_values": ["pro"]})},
        "validation.group_values",
        "no effect",
    ),
    "group of a key, not used": (
        {"keys": {"alice": {"key": ALICE, "group": "pro"}}, CI: on()},
        "keys.alice.group",
        "no effect",
    ),
    "group of a key, unknown": (
        {
            "keys": {"alice": {"key": ALICE, "group": "pro"}},
            CI: on(group_id={"gateway_key": True}, validation={"group_values": ["free"]}),
        },
        "keys.alice.group",
        "is not among",
    ),
    "unknown key": ({CI: {"enable": True}}, "enable", "Extra"),
}


@pytest.mark.parametrize(("server", "place", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_settings_are_rejected(server: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        tables(**server)
    (error,) = caught.value.errors()
    assert ".".join(map(str, error["loc"])) == (place if place.startswith("keys") else f"{CI}.{place}")
    assert message in str(error["msg"])

"""Authentication by table: every combination of settings and credentials sent."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.auth.authenticator import Authenticator
from nexus.auth.identity import Identity, Pending, Unidentified, may_use
from nexus.auth.jwks import read_key_set
from nexus.auth.tokens import Tokens
from nexus.errors import ClientError, InvalidRequest, NexusError, Overloaded
from nexus.settings.keys import digest_of
from nexus.settings.problems import CannotServe
from nexus.settings.server import ServerSettings
from tests.auth.kit import (
    ALICE,
    BOB,
    HARD_LIMIT,
    IdentityProvider,
    Still,
    answer,
    bearer,
    ec_key,
    jwk,
    jwks,
    lines,
    stall,
    tables,
    token,
)

OAUTH = {"url": "http://127.0.0.1:1/jwks"}
KEYS: dict[str, Any] = {"alice": {"key": ALICE, "models": ["anthropic/*"]}, "bob": {"sha256": digest_of(BOB).hex()}}
NOW = 1_800_000_000.0


def authenticator(server: ServerSettings, clock: float = NOW, claims: Sequence[str] = ()) -> Authenticator:
    """An authenticator that already has its token signing keys."""
    tokens = None
    if server.oauth is not None:
        tokens = Tokens(server.oauth, Still(read_key_set(jwks(jwk(ec_key())))))
    return Authenticator(server.client_identification, server.keys, tokens, claims=claims, clock=lambda: clock)


def told(found: Identity | Pending) -> Identity:
    assert isinstance(found, Identity)
    return found


OPEN: dict[str, Any] = {}
ONLY_KEYS: dict[str, Any] = {"keys": KEYS}
ONLY_TOKENS: dict[str, Any] = {"oauth": OAUTH}
BOTH: dict[str, Any] = {"keys": KEYS, "oauth": OAUTH}
TOKEN = token(ec_key())
FORGED = token(ec_key("stranger"))

Headers = dict[str, str | list[str]]


def auth(text: str) -> Headers:
    return {"Authorization": f"Bearer {text}"}


LET_IN: dict[str, tuple[dict[str, Any], Headers, tuple[str, str | None]]] = {
    "open": (OPEN, {}, ("open", None)),
    "open, with any credential": (OPEN, {"Authorization": "Basic x"}, ("open", None)),
    "key": (ONLY_KEYS, auth(ALICE), ("key", "alice")),
    "hashed key": (ONLY_KEYS, {"x-api-key": BOB}, ("key", "bob")),
    "own header beside a vendor login": (
        ONLY_KEYS,
        {**auth("hushhush-vendor"), "x-nexus-key": ALICE},
        ("key", "alice"),
    ),
    "key beside a vendor login": (ONLY_KEYS, {**auth("sk-ant-oat-hushhush"), "x-api-key": ALICE}, ("key", "alice")),
    "token": (ONLY_TOKENS, auth(TOKEN), ("token", None)),
    "token as an API key": (ONLY_TOKENS, {"x-api-key": TOKEN}, ("token", None)),
    "token of the proxy": (ONLY_TOKENS, {"proxy-authorization": f"Bearer {TOKEN}", **auth("v")}, ("token", None)),
    "both: key": (BOTH, auth(ALICE), ("key", "alice")),
    "both: token": (BOTH, auth(TOKEN), ("token", None)),
    "both: own header decides": (BOTH, {"x-nexus-key": BOB, **auth(TOKEN)}, ("key", "bob")),
}


@pytest.mark.parametrize(("server", "headers", "expected"), LET_IN.values(), ids=LET_IN.keys())
def test_valid_credentials_are_accepted(
    server: dict[str, Any], headers: Headers, expected: tuple[str, str | None]
) -> None:
    identity = told(authenticator(tables(**server)).authenticate(lines(headers)))
    assert (identity.source, identity.key) == expected
    subject = "alice" if identity.source == "token" else None
    assert (identity.client_id, identity.group) == (identity.key or subject, None)
    for name, value in lines(headers).items():
        secret = any(text in value[0] for text in (ALICE, BOB, TOKEN))
        deciding = secret and not (name == "authorization" and "x-nexus-key" in headers)
        assert (name in identity.credential_headers) is (deciding or name in ("x-nexus-key", "proxy-authorization"))


def test_an_identity_carries_the_requested_claims() -> None:
    """Arrays give their first item; claims that are not text or were not requested are left out."""
    told_by = token(ec_key(), dep={"name": "research"}, teams=["a", "b"], empty=" ", other="x")
    found = authenticator(tables(**BOTH), claims=("dep.name", "teams", "empty", "dep", "missing"))
    assert told(found.authenticate(lines(auth(told_by)))).claims == (("dep.name", "research"), ("teams", "a"))
    assert told(found.authenticate(lines(auth(ALICE)))).claims == ()


KEPT_OUT: dict[str, tuple[dict[str, Any], Headers, str]] = {
    "nothing": (ONLY_KEYS, {}, "no gateway key was sent"),
    "nothing, tokens": (ONLY_TOKENS, {}, "no token was sent"),
    "nothing, both": (BOTH, {}, "no gateway key or token was sent"),
    "unknown key": (ONLY_KEYS, auth(ALICE + "x"), "invalid gateway key in authorization"),
    "hash of a key": (ONLY_KEYS, auth(digest_of(BOB).hex()), "invalid gateway key in authorization"),
    "example key": (ONLY_KEYS, auth("sk-1234"), "invalid gateway key in authorization"),
    "token where there are keys only": (ONLY_KEYS, auth(TOKEN), "invalid gateway key in authorization"),
    "key where there are tokens only": (ONLY_TOKENS, auth(ALICE), "invalid credential"),
    "forged token": (ONLY_TOKENS, auth(FORGED), "the token's signature is not valid"),
    "forged token beside a good key": (BOTH, {"x-nexus-key": FORGED, "x-api-key": ALICE}, "the token's signature"),
    "bad own key beside a good token": (BOTH, {"x-nexus-key": "nx-no", **auth(TOKEN)}, "invalid credential"),
    "key in a header that carries none": (ONLY_KEYS, {"x-provider-api-key": ALICE}, "no gateway key was sent"),
    "key in a cookie": (ONLY_KEYS, {"cookie": ALICE}, "no gateway key was sent"),
    "basic": (ONLY_KEYS, {"authorization": f"Basic {ALICE}"}, "authorization: expected the scheme Bearer"),
}


@pytest.mark.parametrize(("server", "headers", "message"), KEPT_OUT.values(), ids=KEPT_OUT.keys())
def test_missing_or_invalid_credentials_are_rejected(
    server: dict[str, Any], headers: Headers, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Unidentified) as caught:
        authenticator(tables(**server)).authenticate(lines(headers))
    assert caught.value.status == 401
    assert caught.value.message.startswith(message)
    for secret in (ALICE, BOB, TOKEN, FORGED):
        assert secret not in caught.value.message + caplog.text


def test_an_expired_key_is_rejected() -> None:
    server = tables(keys={"alice": {"key": ALICE, "expires": "2027-01-15"}})
    assert told(authenticator(server, NOW - 86400).authenticate(bearer(ALICE))).key == "alice"
    with pytest.raises(Unidentified, match="expired"):
        authenticator(server, NOW + 2 * 86400).authenticate(bearer(ALICE))


def test_a_key_limits_its_caller_to_its_models() -> None:
    checker = authenticator(tables(**BOTH))
    assert told(checker.authenticate(bearer(ALICE))).models == ("anthropic/*",)
    assert not may_use(told(checker.authenticate(bearer(ALICE))), "openai/gpt")
    assert may_use(told(checker.authenticate(bearer(BOB))), "openai/gpt")
    assert may_use(told(checker.authenticate(bearer(TOKEN))), "openai/gpt")


# -- ids -----------------------------------------------------------------------------------------------------------


def on(**keys: Any) -> dict[str, Any]:
    return {"enabled": True, **keys}


PRO = {"validation": {"group_values": ["free", "pro"]}}
BY_HEADER = on(client_id={"http_header": "X-Client"}, group_id={"http_header": "X-Group"}, **PRO)
BY_CLAIM = on(client_id={"jwt_claim": "org.user"}, group_id={"jwt_claim": "groups"}, **PRO)
BY_KEY = on(client_id={"gateway_key": True}, group_id={"gateway_key": True}, **PRO)
MIXED = on(group_id={"jwt_claim": "groups", "gateway_key": True}, **PRO)
GROUPED = {"alice": {"key": ALICE, "group": "pro"}, "bob": {"key": BOB}}
HEADER: dict[str, Any] = {"client_identification": BY_HEADER}
KEYS_AND_HEADER: dict[str, Any] = {**ONLY_KEYS, **HEADER}
TOKENS: dict[str, Any] = {**ONLY_TOKENS, "client_identification": BY_CLAIM}
GROUPS: dict[str, Any] = {"keys": GROUPED, "client_identification": BY_KEY}
EITHER: dict[str, Any] = {"keys": GROUPED, "oauth": OAUTH, "client_identification": MIXED}


def claimed(**claims: Any) -> Headers:
    return auth(token(ec_key(), **claims))


IDENTIFIED: dict[str, tuple[dict[str, Any], Headers, tuple[str, str | None]]] = {
    "header": (HEADER, {"x-client": " alice "}, ("alice", None)),
    "headers": (HEADER, {"x-client": "a", "x-group": "pro"}, ("a", "pro")),
    "blank group": (HEADER, {"x-client": "a", "x-group": " "}, ("a", None)),
    "header beside a key": (KEYS_AND_HEADER, {"x-client": "a", **auth(ALICE)}, ("a", None)),
    "claim": (TOKENS, claimed(org={"user": "u"}, groups=["staff", "pro", "free"]), ("u", "pro")),
    "number": (TOKENS, claimed(org={"user": 7}), ("7", None)),
    "empty array": (TOKENS, claimed(org={"user": "u"}, groups=[]), ("u", None)),
    "subject by default": ({**ONLY_TOKENS, "client_identification": on()}, auth(TOKEN), ("alice", None)),
    "key": (GROUPS, auth(ALICE), ("alice", "pro")),
    "key without group": (GROUPS, auth(BOB), ("bob", None)),
    "mixed, key": (EITHER, auth(ALICE), ("alice", "pro")),
    "mixed, token": (EITHER, claimed(sub="x", groups="free"), ("x", "free")),
    "a token's header is not believed": (
        TOKENS,
        {**claimed(org={"user": "u"}), "x-client": "admin", "x-group": "pro"},
        ("u", None),
    ),
}


@pytest.mark.parametrize(("server", "headers", "expected"), IDENTIFIED.values(), ids=IDENTIFIED.keys())
def test_callers_get_their_id_and_group(
    server: dict[str, Any], headers: Headers, expected: tuple[str, str | None]
) -> None:
    identity = told(authenticator(tables(**server)).authenticate(lines(headers)))
    assert (identity.client_id, identity.group) == expected


OWNERS: dict[str, tuple[dict[str, Any], Headers, str | None]] = {
    "any caller of an open gateway": (OPEN, auth("whatever"), ""),
    "who a proxy says it is": (HEADER, {"x-client": "a"}, "open:a"),
    "a key": (ONLY_KEYS, auth(ALICE), "key:alice:alice"),
    "a key, and who a proxy says it is": (KEYS_AND_HEADER, {"x-client": "b:c", **auth(ALICE)}, "key:alice:b%3Ac"),
    "a token's subject": (ONLY_TOKENS, claimed(sub="alice", iss="https://id"), "token:https%3A%2F%2Fid:alice:alice"),
    "a token that names nobody": (ONLY_TOKENS, claimed(sub=None), None),
    "both, by key": (BOTH, auth(BOB), "key:bob:bob"),
}


@pytest.mark.parametrize(("server", "headers", "owner"), OWNERS.values(), ids=OWNERS.keys())
def test_a_stored_answer_belongs_to_its_caller(server: dict[str, Any], headers: Headers, owner: str | None) -> None:
    """Even if the settings do not identify callers."""
    assert told(authenticator(tables(**server)).authenticate(lines(headers))).owner == owner


UNKNOWN: dict[str, tuple[dict[str, Any], Headers, int, str]] = {
    "no id": (HEADER, {"x-group": "pro"}, 400, "the header x-client is missing"),
    "blank id": (HEADER, {"x-client": "  "}, 400, "the header x-client is missing"),
    "two ids": (HEADER, {"x-client": ["a", "b"]}, 400, "sent more than once"),
    "long id": (HEADER, {"x-client": "a" * 257}, 400, "more than 256"),
    "control character in the id": (HEADER, {"x-client": "a\x07"}, 400, "control characters"),
    "unknown group": (HEADER, {"x-client": "a", "x-group": "vip"}, 400, "unknown group"),
    "two groups": (HEADER, {"x-client": "a", "x-group": ["pro", "free"]}, 400, "sent more than once"),
    "no claim": (TOKENS, claimed(org={}), 400, "lacks the claim that identifies"),
    "claim of another type": (TOKENS, claimed(org={"user": {"a": 1}}), 400, "lacks the claim that identifies"),
    "no known group": (TOKENS, claimed(org={"user": "u"}, groups=["staff"]), 400, "unknown group"),
    "surrogate in a claim": (TOKENS, claimed(org={"user": "\ud800"}), 400, "control characters"),
    "no key": (GROUPS, {}, 401, "no gateway key"),
    "bad key comes before a missing id": (KEYS_AND_HEADER, auth("nx-no"), 401, "invalid gateway key in authorization"),
}


@pytest.mark.parametrize(("server", "headers", "status", "message"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_callers_without_a_valid_id_or_group_are_rejected(
    server: dict[str, Any], headers: Headers, status: int, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        authenticator(tables(**server)).authenticate(lines(headers))
    assert caught.value.status == status
    assert message in caught.value.message
    assert isinstance(caught.value, InvalidRequest if status == 400 else Unidentified)


NAMES = st.sampled_from(["authorization", "x-api-key", "x-nexus-key", "proxy-authorization", "x-client", "cookie"])
VALUES = st.one_of(
    st.text(st.characters(codec="latin-1"), max_size=20),
    st.sampled_from(["Bearer", "bearer nx-x", "Bearer a.b.c", hashlib.sha256(ALICE.encode()).hexdigest(), ALICE[:-1]]),
)


@given(st.dictionaries(NAMES, st.lists(VALUES, max_size=2)))
def test_random_headers_never_authenticate(headers: dict[str, list[str]]) -> None:
    with pytest.raises(ClientError):
        authenticator(tables(**BOTH)).authenticate(headers)


# -- created from settings -----------------------------------------------------------------------------------------


def opened(server: ServerSettings) -> Authenticator:
    return Authenticator.open(server.client_identification, server.keys, server.oauth)


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider(answer(jwks(jwk(ec_key())))) as running:
        yield running


def test_the_first_caller_waits_for_the_keys(provider: IdentityProvider) -> None:
    checker = opened(tables(oauth={"url": provider.url}))
    try:
        found = checker.authenticate(bearer(TOKEN))
        if isinstance(found, Pending):
            found.fetched.result(HARD_LIMIT)
            found = checker.authenticate(bearer(TOKEN), last=True)
        assert told(found).source == "token"
    finally:
        checker.close()


def test_a_caller_whose_wait_for_keys_failed_is_rejected() -> None:
    with IdentityProvider(stall) as provider:
        checker = opened(tables(oauth={"url": provider.url}))
        found = checker.authenticate(bearer(TOKEN))
        assert isinstance(found, Pending)
        checker.close()
        found.fetched.result(0)
        with pytest.raises(Overloaded) as caught:
            checker.authenticate(bearer(TOKEN), last=True)
        assert caught.value.status == 503
        with pytest.raises(NexusError):
            checker.authenticate(bearer(TOKEN))


def test_a_missing_pyjwt_is_reported_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotServe, match="pip install"):
        opened(tables(**ONLY_TOKENS))

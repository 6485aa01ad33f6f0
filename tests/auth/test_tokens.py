"""Token validation by table: valid tokens are accepted; others are rejected without a fetch or a crash."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.auth.identity import Pending, Unidentified
from nexus.auth.jwks import read_key_set
from nexus.auth.tokens import REMEMBERED, Tokens
from nexus.errors import Overloaded
from nexus.settings.oauth import OAuthSettings
from tests.auth.kit import Still, ec_key, ed_key, jwk, jwks, rsa_key, token


def tokens(*entries: Any, clock: Any = time.time, **oauth: Any) -> Tokens:
    settings = OAuthSettings.model_validate({"url": "http://127.0.0.1/jwks", **oauth})
    return Tokens(settings, Still(read_key_set(jwks(*(entries or [jwk(ec_key())])))), clock=clock)


def claims(checker: Tokens, text: str) -> Any:
    found = checker.verify(text)
    assert not isinstance(found, Pending)
    return found


def refusal(checker: Tokens, text: str) -> str:
    with pytest.raises(Unidentified) as caught:
        checker.verify(text)
    assert caught.value.status == 401
    assert caught.value.sent and caught.value.token
    assert len(text) < 12 or text not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("key", [rsa_key(), ec_key(), ed_key()], ids=["RSA", "EC", "Ed25519"])
def test_tokens_of_every_key_type_are_accepted(key: Any) -> None:
    assert claims(tokens(jwk(key)), token(key))["sub"] == "alice"


def test_rsa_keys_support_pss() -> None:
    text = token(rsa_key(), head={"alg": "PS512"})
    assert claims(tokens(jwk(rsa_key(), alg="PS512")), text)["sub"] == "alice"
    assert refusal(tokens(jwk(rsa_key(), alg="RS256")), text) == UNKNOWN_KEY


def test_keys_that_arrive_just_before_they_are_asked_for_are_used() -> None:
    class Arriving(Still):
        def request_fetch(self) -> None:
            self.give(read_key_set(jwks(jwk(ec_key()))))

    settings = OAuthSettings.model_validate({"url": "http://127.0.0.1/jwks"})
    assert claims(Tokens(settings, Arriving(None)), token(ec_key()))["sub"] == "alice"


UNKNOWN_KEY = "the token is signed with a key that the identity provider does not list"

TIMES: dict[str, tuple[dict[str, Any], str]] = {
    "good": ({"ends": 60}, ""),
    "just over": ({"ends": -30}, ""),
    "over": ({"ends": -70}, "the token has expired"),
    "no end": ({"exp": None}, "the token lacks a required claim"),
    "end of another type": ({"exp": "soon"}, "the token is not valid"),
    "null end": ({"exp": [1]}, "the token is not valid"),
    "endless end": ({"exp": 10**400}, ""),
    "begins soon": ({"begins": 30}, ""),
    "begins later": ({"begins": 600}, "the token is not valid yet"),
    "begin of another type": ({"nbf": "x"}, "the token is not valid"),
}


@pytest.mark.parametrize(("wanted", "message"), TIMES.values(), ids=TIMES.keys())
def test_times_in_tokens_are_checked(wanted: dict[str, Any], message: str) -> None:
    text = token(ec_key(), **wanted)
    if not message:
        assert claims(tokens(), text)["sub"] == "alice"
        return
    assert refusal(tokens(), text).startswith(message)


ISSUED: dict[str, tuple[dict[str, Any], str]] = {
    "right": ({"iss": "https://id", "aud": "nexus"}, ""),
    "one of several audiences": ({"iss": "https://id", "aud": ["x", "nexus"]}, ""),
    "another issuer": ({"iss": "https://id/", "aud": "nexus"}, "the token has the wrong issuer"),
    "no issuer": ({"aud": "nexus"}, "the token lacks a required claim"),
    "another audience": ({"iss": "https://id", "aud": "Nexus"}, "the token has the wrong audience"),
    "no audience": ({"iss": "https://id"}, "the token lacks a required claim"),
    "audience of another type": ({"iss": "https://id", "aud": [1]}, "the token"),
}


@pytest.mark.parametrize(("wanted", "message"), ISSUED.values(), ids=ISSUED.keys())
def test_issuer_and_audience_are_checked(wanted: dict[str, Any], message: str) -> None:
    checker = tokens(expected_issuer="https://id", expected_audience="nexus")
    text = token(ec_key(), **wanted)
    if message:
        assert refusal(checker, text).startswith(message)
    else:
        assert claims(checker, text)["aud"]


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def reheaded(text: str, header: Any) -> str:
    return ".".join([segment(header), *text.split(".")[1:]])


BODY = {"sub": "admin", "exp": 2**31}


def signed_with_secret(secret: bytes) -> str:
    """Signed by hand, because PyJWT refuses to create such a token."""
    text = f"{segment({'alg': 'HS256', 'kid': 'one'})}.{segment(BODY)}"
    return f"{text}.{segment(hmac.digest(secret, text.encode(), 'sha256'))}"


GOOD = token(ec_key())

FORGED: dict[str, str] = {
    "not signed": f"{segment({'alg': 'none', 'kid': 'one'})}.{segment(BODY)}.",
    "not signed, in capitals": f"{segment({'alg': 'NONE', 'kid': 'one'})}.{segment(BODY)}.",
    "another body": ".".join([GOOD.split(".")[0], segment(BODY), GOOD.split(".")[2]]),
    "no signature": GOOD.rpartition(".")[0] + ".",
    "another signature": GOOD.rpartition(".")[0] + "." + segment(b"x" * 64),
    "zero signature": GOOD.rpartition(".")[0] + "." + segment(b"\0" * 64),
    "another key": token(ec_key("stranger")),
    "another kind of key": token(rsa_key()),
    "the public key taken for a secret": signed_with_secret(json.dumps(jwk(ec_key())).encode()),
    "named by another algorithm": reheaded(GOOD, {"alg": "HS256", "kid": "one"}),
    "unknown extension": reheaded(GOOD, {"alg": "ES256", "kid": "one", "crit": ["x"]}),
    "detached body": reheaded(GOOD, {"alg": "ES256", "kid": "one", "b64": False, "crit": ["b64"]}),
    "id of another type": reheaded(GOOD, {"alg": "ES256", "kid": ["one"]}),
    "algorithm of another type": reheaded(GOOD, {"alg": ["ES256"], "kid": "one"}),
    "no algorithm": reheaded(GOOD, {"kid": "one"}),
    "header is an array": reheaded(GOOD, ["ES256"]),
    "header is deep": reheaded(GOOD, b"[" * 5000),
    "key of its own": token(ec_key("stranger"), head={"jwk": jwk(ec_key("stranger"))}),
    "address of its own": token(ec_key("stranger"), head={"jku": "http://127.0.0.1:1/"}),
    "two segments": GOOD.rpartition(".")[0],
    "five segments": GOOD + ".a.b",
    "dots": "..",
    "empty": "",
    "plain text": "sk-hushhush-1234567890",
    "line break": GOOD[:20] + "\n" + GOOD[20:],
    "not ASCII": "é" + GOOD,
    "padded": GOOD + "=",
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED.keys())
def test_forged_tokens_are_rejected(text: str) -> None:
    refusal(tokens(), text)


def test_a_token_without_a_key_id_is_tried_with_every_key() -> None:
    keys = [jwk(ec_key("other"), "a"), jwk(ec_key(), "b"), jwk(rsa_key(), "c")]
    assert claims(tokens(*keys), token(ec_key(), None))["sub"] == "alice"
    refusal(tokens(*keys), token(ec_key("stranger"), None))


def test_a_token_with_a_key_id_is_tried_with_that_key_only() -> None:
    refusal(tokens(jwk(ec_key(), "a"), jwk(ec_key("other"), "b")), token(ec_key(), "b"))
    refusal(tokens(jwk(ec_key(), None)), token(ec_key(), "a"))


def test_a_published_secret_signs_no_tokens() -> None:
    secret = b"hushhush-secret-of-thirty-two-bytes!"
    refusal(tokens(jwk(secret), jwk(ec_key(), "other")), token(secret))


@given(
    st.sampled_from(range(len(GOOD))),
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."),
)
def test_damaged_tokens_are_rejected(place: int, letter: str) -> None:
    text = GOOD[:place] + letter + GOOD[place + 1 :]
    # The last base64 letter has unused bits.
    if text[:-1] == GOOD[:-1]:
        return
    refusal(tokens(), text)


def test_without_signing_keys_tokens_get_a_503() -> None:
    checker = Tokens(OAuthSettings(url="http://127.0.0.1/"), Still(None))
    with pytest.raises(Overloaded) as caught:
        checker.verify(GOOD)
    assert (caught.value.status, caught.value.retry_after) == (503, 5)
    refusal(checker, "not a token")


def test_an_unknown_key_gets_a_503_if_the_last_fetch_failed() -> None:
    still = Still(read_key_set(jwks(jwk(ec_key()))))
    checker = Tokens(OAuthSettings(url="http://127.0.0.1/"), still)
    still.fail()
    assert claims(checker, GOOD)["sub"] == "alice"
    with pytest.raises(Overloaded):
        checker.verify(token(ec_key(), "unknown"))


def test_only_a_plausible_token_triggers_a_key_fetch() -> None:
    still = Still(read_key_set(jwks(jwk(ec_key()))))
    checker = Tokens(OAuthSettings(url="http://127.0.0.1/"), still)
    for text in ("x", "a.b.c", FORGED["not signed"], FORGED["another signature"], FORGED["unknown extension"]):
        refusal(checker, text)
    assert still.asked == 0
    assert refusal(checker, token(ec_key(), "unknown")) == UNKNOWN_KEY
    assert still.asked == 1


class TestCache:
    def test_a_token_is_cached_until_it_expires(self) -> None:
        now = [time.time()]
        checker = tokens(clock=lambda: now[0])
        text = token(ec_key(), ends=-20)
        # Within the leeway a token is still valid, but verified again each time.
        assert claims(checker, text) is not claims(checker, text)
        text = token(ec_key(), ends=100)
        first = claims(checker, text)
        assert claims(checker, text) is first
        now[0] += 101
        assert claims(checker, text) is not first

    def test_new_signing_keys_invalidate_the_cache(self) -> None:
        still = Still(read_key_set(jwks(jwk(ec_key()))))
        checker = Tokens(OAuthSettings(url="http://127.0.0.1/"), still)
        assert claims(checker, GOOD)["sub"] == "alice"
        still.give(read_key_set(jwks(jwk(ec_key("new")))))
        refusal(checker, GOOD)

    def test_the_cache_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nexus.auth.tokens.REMEMBERED", 3)
        assert REMEMBERED > 3
        checker = tokens()
        texts = [token(ec_key(), jti=str(number)) for number in range(5)]
        firsts = [claims(checker, text) for text in texts]
        assert len(checker._known) == 3
        assert claims(checker, texts[4]) is firsts[4]
        assert claims(checker, texts[0]) is not firsts[0]

    def test_rejections_are_not_cached(self) -> None:
        checker = tokens()
        refusal(checker, FORGED["another signature"])
        assert not checker._known

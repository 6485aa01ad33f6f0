"""JWKS documents: which keys are read, which are skipped, and which documents are rejected."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from nexus import wire
from nexus.auth.jwks import MOST_KEYS, MOST_TRIED, read_key_set
from tests.auth.kit import ec_key, ed_key, jwk, jwks, jwt, rsa_key

RSA = jwk(rsa_key())
RSA_ANY = {name: value for name, value in RSA.items() if name != "alg"}

FAMILY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

READ: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "RSA": (RSA_ANY, FAMILY),
    "RSA for one algorithm": ({**RSA_ANY, "alg": "PS384"}, ("PS384",)),
    "for signatures": ({**RSA_ANY, "use": "sig", "key_ops": ["verify"]}, FAMILY),
    "P-256": (jwk(ec_key()), ("ES256",)),
    "P-384": (jwk(ec.generate_private_key(ec.SECP384R1()), alg=None), ("ES384",)),
    "Ed25519": (jwk(ed_key()), ("EdDSA",)),
    "no id": (jwk(ec_key(), None), ("ES256",)),
}


@pytest.mark.parametrize(("entry", "algorithms"), READ.values(), ids=READ.keys())
def test_supported_keys_are_read(entry: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    (key,) = read_key_set(jwks({name: value for name, value in entry.items() if value is not None})).keys
    assert key.algorithms == algorithms
    assert key.kid == entry.get("kid")


LEFT_OUT: dict[str, Any] = {
    "not an object": "key",
    "no kind": {"kid": "x"},
    "unknown kind": {**RSA, "kty": "PQC"},
    "kind of another type": {**RSA, "kty": ["RSA"]},
    "for encryption": {**RSA, "use": "enc"},
    "for signing only": {**RSA, "key_ops": ["sign"]},
    "operations of another type": {**RSA, "key_ops": 1},
    "RSA that says it is a secret": {**RSA, "alg": "HS256"},
    "RSA that says it is for nothing": {**RSA, "alg": "none"},
    "EC for another curve's algorithm": jwk(ec_key(), alg="ES512"),
    "curve that is not served": jwk(ec.generate_private_key(ec.SECP256K1())),
    "secret that says it is RSA": {"kty": "oct", "k": RSA["n"], "alg": "RS256"},
    "secret": jwk(b"k" * 32),
    "short RSA": jwk(rsa_key("short", 1024)),
    "RSA key that is too long": {**RSA, "n": base64.urlsafe_b64encode(b"\xff" * 2000).decode().rstrip("=")},
    "exponent that is too long": {**RSA, "e": RSA["n"]},
    "no modulus": {name: value for name, value in RSA.items() if name != "n"},
    "modulus of another type": {**RSA, "n": 7},
    "modulus that is not base64": {**RSA, "n": "%"},
    "point that is not on its curve": {**jwk(ec_key()), "x": jwk(ec_key("other"))["x"]},
    "id of another type": {**RSA, "kid": 7},
    "null": None,
}


@pytest.mark.parametrize("entry", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_unsupported_keys_are_skipped(entry: Any) -> None:
    with pytest.raises(ValueError, match="no usable key"):
        read_key_set(jwks(entry))
    keys = read_key_set(jwks(entry, jwk(ed_key(), "good")))
    assert ([key.kid for key in keys.keys], keys.skipped) == (["good"], 1)


NO_DOCUMENT = {
    "nothing": b"",
    "page": b"<html>sign in</html>",
    "array": b"[]",
    "no keys": b"{}",
    "empty": b'{"keys": []}',
    "keys of another type": b'{"keys": {"a": 1}}',
    "too many": jwks(*[RSA] * (MOST_KEYS + 1)),
    "nested too deep": b'{"keys": ' + b"[" * 100_000,
    "not UTF-8": b'{"keys": ["\xff"]}',
}


@pytest.mark.parametrize("raw", NO_DOCUMENT.values(), ids=NO_DOCUMENT.keys())
def test_invalid_documents_are_rejected(raw: bytes) -> None:
    with pytest.raises(ValueError):
        read_key_set(raw)


def test_a_published_private_key_is_reduced_to_its_public_part() -> None:
    given_away = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(rsa_key()))
    given_away.pop("key_ops")
    assert "d" in given_away
    (key,) = read_key_set(jwks(given_away)).keys
    assert not hasattr(key.material, "private_numbers")


def test_symmetric_keys_are_counted_and_named_but_never_kept() -> None:
    secret = jwk(b"k" * 32)
    keys = read_key_set(jwks(RSA, secret, secret))
    assert ([key.algorithms for key in keys.keys], keys.skipped, keys.symmetric) == ([FAMILY], 2, 2)
    with pytest.raises(ValueError, match="no usable key, only symmetric ones"):
        read_key_set(jwks(secret))


def test_candidates_have_the_id_and_the_algorithm_of_the_token() -> None:
    entries = [jwk(ec_key(), "a"), jwk(ec_key(), "a"), jwk(ed_key(), "b"), jwk(rsa_key(), None)]
    keys = read_key_set(jwks(*entries))
    assert len(keys.candidates("a", "ES256")) == 2
    assert keys.candidates("a", "RS256") == []
    assert len(keys.candidates(None, "RS256")) == 1
    assert keys.candidates("c", "RS256") == []
    many = read_key_set(jwks(*[jwk(ec_key(), str(number)) for number in range(MOST_KEYS)]))
    assert len(many.candidates(None, "ES256")) == MOST_TRIED


@given(st.binary(max_size=40))
def test_unpadded_base64_is_decoded(raw: bytes) -> None:
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert wire.unpadded(text) == (raw if raw else None)


@pytest.mark.parametrize("text", ["a", "aa==", "a b", "ä", "a+/b", "aaaaa", "a\n"])
def test_invalid_unpadded_base64_is_rejected(text: str) -> None:
    assert wire.unpadded(text) is None

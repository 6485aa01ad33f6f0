"""Reads a JWKS document: the keys that sign the tokens of an identity provider.

Pure functions. The type of a key decides its algorithms, never the token. Unusable keys are left out, and so are
symmetric ones, with which everyone who can read the document could sign tokens; a document without a usable key is an
error. PyJWT is imported only when there is a key to read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from nexus import wire
from nexus.dataclasses import dataclass, field
from nexus.settings.problems import CannotServe
from nexus.settings.types import needs
from nexus.wire import Json

MOST_KEYS = 64
MOST_TRIED = 8
SHORTEST_RSA = 2048
LONGEST_RSA = 8192

ALGORITHMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Type and curve of a key to its algorithms. No algorithm belongs to two types, which prevents algorithm confusion."""

KNOWN = frozenset(name for names in ALGORITHMS.values() for name in names)


_PUBLIC = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}


def require_pyjwt() -> None:
    """Raises CannotServe. Called at start, so that the problem is not found by the first caller."""
    for module, package in ("jwt", "PyJWT"), ("cryptography", "cryptography"):
        if importlib.util.find_spec(module) is None:
            raise CannotServe(("server", "oauth"), needs(package, "oauth"))


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key; ``material`` is PyJWT's key object."""

    kid: str | None
    algorithms: tuple[str, ...]
    material: Any = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The current keys of an identity provider; ``skipped`` counts the unusable ones, ``symmetric`` among them."""

    keys: tuple[VerifyingKey, ...]
    skipped: int
    symmetric: int

    def candidates(self, kid: str | None, algorithm: str) -> list[VerifyingKey]:
        """The keys that can have signed a token, at most ``MOST_TRIED``; without ``kid`` all with the algorithm."""
        named = [key for key in self.keys if kid is None or key.kid == kid]
        return [key for key in named if algorithm in key.algorithms][:MOST_TRIED]


def read_key_set(raw: bytes) -> KeySet:
    """Reads a JWKS document. Raises ValueError, whose message repeats none of it, if it has no usable key."""
    document = wire.mapping(wire.decode(raw))
    entries = wire.sequence(document.get("keys"))
    if len(entries) > MOST_KEYS:
        raise ValueError(f"it has more than {MOST_KEYS} keys")
    read = [_read_key(wire.mapping(entry)) for entry in entries]
    keys = tuple(key for key in read if key is not None)
    symmetric = sum(wire.mapping(entry).get("kty") == "oct" for entry in entries)
    if not keys:
        raise ValueError("it has no usable key" + (", only symmetric ones" if symmetric else ""))
    return KeySet(keys, len(read) - len(keys), symmetric)


def _read_key(entry: Mapping[str, Json]) -> VerifyingKey | None:
    kind, kid = wire.text(entry.get("kty")), entry.get("kid")
    curve = wire.text(entry.get("crv")) if kind in ("EC", "OKP") else ""
    fitting = ALGORITHMS.get((kind, curve), ())
    named = entry.get("alg")
    algorithms = tuple(name for name in fitting if named is None or name == named)
    if not algorithms or not _is_for_signatures(entry) or not isinstance(kid, str | None):
        return None
    # Public parts only: if a document leaks a private key, the gateway does not keep it.
    public = {"kty": kind, **({"crv": curve} if curve else {})}
    for name in _PUBLIC[kind]:
        value = entry.get(name)
        if not isinstance(value, str) or len(value) > 4096:
            return None
        public[name] = value
    material = _material(public, algorithms[0])
    return VerifyingKey(kid, algorithms, material) if material is not None else None


def _is_for_signatures(entry: Mapping[str, Json]) -> bool:
    operations = entry.get("key_ops")
    return entry.get("use") in (None, "sig") and (operations is None or "verify" in wire.sequence(operations))


def _material(public: dict[str, str], algorithm: str) -> Any:
    """The key object for PyJWT; None if the key is invalid or too weak."""
    import jwt

    if public["kty"] == "RSA" and not _is_strong(public):
        return None
    try:
        return jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        # Not chained or logged, because the messages contain the key.
        return None


def _is_strong(public: dict[str, str]) -> bool:
    """Whether an RSA key is long enough to be secure, and short enough to verify without delaying other calls."""
    modulus, exponent = wire.unpadded(public["n"]) or b"", wire.unpadded(public["e"]) or b""
    return SHORTEST_RSA <= int.from_bytes(modulus).bit_length() <= LONGEST_RSA and len(exponent) <= 8

"""Reads a JWKS document: the keys that tokens of an identity provider are signed with.

Pure, and of no influence on a key's use: which algorithms a key is good for is told by its own kind, never by a
token. What cannot be used is left out; a document without any usable key is no document. PyJWT is imported only where
there is one to read.
"""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from nexus import DISTRIBUTION, wire
from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.wire import Json

MOST_KEYS = 64
MOST_TRIED = 8
SHORTEST_RSA = 2048
LONGEST_RSA = 8192
SHORTEST_SECRET = 32

ALGORITHMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("oct", ""): ("HS256", "HS384", "HS512"),
}
"""Kind and curve of a key to what it may sign with. The families do not overlap, so that none passes for another."""

KNOWN = frozenset(name for names in ALGORITHMS.values() for name in names)

_BASE64 = pattern(r"[A-Za-z0-9_-]+")

_PUBLIC = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",), "oct": ("k",)}


class MissingPyJwt(Exception):
    """[server.oauth] is configured and PyJWT is not installed."""

    def __init__(self) -> None:
        super().__init__(f"[server.oauth] needs PyJWT with cryptography: pip install '{DISTRIBUTION}[oauth]'")


def require_pyjwt() -> None:
    """Raises MissingPyJwt; for the start, so that the first caller need not find out."""
    if any(importlib.util.find_spec(name) is None for name in ("jwt", "cryptography")):
        raise MissingPyJwt


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One key; ``material`` is in PyJWT's hands and can be a secret."""

    kid: str | None
    algorithms: tuple[str, ...]
    material: Any = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """What an identity provider signs with at present."""

    keys: tuple[VerifyingKey, ...]
    skipped: int

    def candidates(self, kid: str | None, algorithm: str) -> list[VerifyingKey]:
        """The keys that a token can have been signed with. One that names no key can be of any; only some are tried."""
        named = [key for key in self.keys if kid is None or key.kid == kid]
        return [key for key in named if algorithm in key.algorithms][:MOST_TRIED]

    @property
    def has_secret(self) -> bool:
        """Whether a key is symmetric: whoever can read the document can then make tokens."""
        return any(key.algorithms[0].startswith("HS") for key in self.keys)


def read_key_set(raw: bytes) -> KeySet:
    """Raises ValueError, without repeating anything of the document, when it holds no key that could be used."""
    document = wire.mapping(wire.decode(raw))
    entries = wire.sequence(document.get("keys"))
    if len(entries) > MOST_KEYS:
        raise ValueError(f"it has more than {MOST_KEYS} keys")
    read = [_read_key(wire.mapping(entry)) for entry in entries]
    keys = tuple(key for key in read if key is not None)
    if not keys:
        raise ValueError("it has no usable key")
    return KeySet(keys, len(read) - len(keys))


def _read_key(entry: Mapping[str, Json]) -> VerifyingKey | None:
    kind, kid = wire.text(entry.get("kty")), entry.get("kid")
    curve = wire.text(entry.get("crv")) if kind in ("EC", "OKP") else ""
    fitting = ALGORITHMS.get((kind, curve), ())
    named = entry.get("alg")
    algorithms = tuple(name for name in fitting if named is None or name == named)
    if not algorithms or not _is_for_signatures(entry) or not isinstance(kid, str | None):
        return None
    # Public parts only: a document that gives away a private key does not make the gateway hold it.
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
    """None for a key that is broken or too weak to prove anything."""
    import jwt

    if public["kty"] == "oct":
        secret = unpadded(public["k"])
        return secret if secret is not None and len(secret) >= SHORTEST_SECRET else None
    if public["kty"] == "RSA" and not _is_strong(public):
        return None
    try:
        return jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        # Their texts hold the key.
        return None


def _is_strong(public: dict[str, str]) -> bool:
    """Whether an RSA key is long enough to prove anything, and short enough to be checked while others wait."""
    modulus, exponent = unpadded(public["n"]) or b"", unpadded(public["e"]) or b""
    return SHORTEST_RSA <= int.from_bytes(modulus).bit_length() <= LONGEST_RSA and len(exponent) <= 8


def unpadded(text: str) -> bytes | None:
    """Base64 as tokens and keys are written; None for anything else."""
    if not _BASE64.fullmatch(text) or len(text) % 4 == 1:
        return None
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

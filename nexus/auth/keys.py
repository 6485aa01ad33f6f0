"""Looks up gateway keys.

Law: no comparison leaks information through its timing. A key is looked up by a keyed hash of its SHA-256: a single
dictionary access, whatever the number of keys, by a value that clients cannot compute or influence. The result is then
compared in constant time. Comparing with every key in turn would be as safe, but slower with every additional key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime

from nexus.settings.keys import PREFIX, GatewayKey, digest_of

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 43
"""Characters after the prefix: 62 ** 43 is more than 2 ** 256."""


class KeyRing:
    def __init__(self, keys: Mapping[str, GatewayKey]) -> None:
        self._salt = secrets.token_bytes(32)
        self._keys = {self._hash(digest): (digest, (name, key)) for name, key in keys.items() for digest in key.digests}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, text: str) -> tuple[str, GatewayKey] | None:
        """Name and settings of a gateway key, expired or not; None if unknown."""
        digest = digest_of(text)
        found = self._keys.get(self._hash(digest))
        return found[1] if found is not None and hmac.compare_digest(found[0], digest) else None

    def _hash(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._salt, digest_size=32).digest()


def is_expired(key: GatewayKey, now: float) -> bool:
    """Whether a key has expired; ``now`` is in Unix seconds."""
    return key.expires is not None and key.expires <= datetime.fromtimestamp(now, UTC)


def make_key() -> str:
    return PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))

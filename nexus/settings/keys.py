"""``[server.keys.NAME]``: gateway keys, and the patterns of model names that they may use."""

import hashlib
import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, field_validator

from nexus.settings.identity import LONGEST_ID, Id
from nexus.settings.types import KeyPath, Label, Location, Read, Table, each, fail_at, no_longer_than

PREFIX = "nx-"
"""Prefix of the keys that ``nexus key new`` makes, by which people and secret scanners recognise them."""

MOST_AT_A_TIME = 3
"""Maximum keys of one name: during a rotation the old and the new key are both valid."""

SHORTEST_KEY = 24
FEWEST_LETTERS = 10

EXAMPLE = "is a key from the examples, which everybody has; make one with: nexus key new NAME"
GUESSABLE = (
    f"is too weak: a key has at least {SHORTEST_KEY} characters, {FEWEST_LETTERS} of them different; "
    "make one with: nexus key new NAME"
)

_WORDS = ("1234", "12345", "123456", "test", "key", "secret", "example", "changeme", "password", "admin", "xxx", "...")
_PREFIXES = ("", "sk-", "nx-", "sk_", "sk-ant-", "sk-proj-", "my-", "your-", "api-", "sk-litellm-")
_WHOLE = ("none", "null", "dummy", "anything", "your-api-key", "your-key-here", "placeholder", "nx-your-key", "alice")
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def digest_of(key: str) -> bytes:
    """The SHA-256 of a key, which is stored and compared in its place."""
    return hashlib.sha256(key.encode()).digest()


_EXAMPLES = frozenset(
    digest_of(text) for text in (*(prefix + word for prefix in _PREFIXES for word in _WORDS), *_WHOLE, "", *_PREFIXES)
)


def read_sha256(value: str) -> str:
    """The SHA-256 of a key in lower-case hexadecimal. Raises ValueError."""
    text = value.strip()
    if not _HEX.fullmatch(text):
        raise ValueError("is not a SHA-256 in hexadecimal (64 digits); nexus key new NAME prints one")
    if bytes.fromhex(text) in _EXAMPLES or len(set(text.lower())) < 6:
        raise ValueError(EXAMPLE)
    return text.lower()


def read_secret(value: str) -> SecretStr:
    """A key that cannot be guessed and fits into an HTTP header. Raises ValueError."""
    key = value.strip()
    if digest_of(key.lower()) in _EXAMPLES:
        raise ValueError(EXAMPLE)
    if len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_LETTERS:
        raise ValueError(GUESSABLE)
    if not (key.isascii() and key.isprintable()) or " " in key or "," in key:
        raise ValueError("contains spaces, commas or characters that are not allowed in an HTTP header")
    return SecretStr(key)


def _one_or_more(value: object, read: Callable[[str], Read]) -> tuple[Read, ...]:
    """Reads one string, or a list of up to ``MOST_AT_A_TIME``; a problem in a list is reported at its index."""
    if isinstance(value, str):
        return (read(value),)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a string, or a list of strings while a key is rotated")
    if not 1 <= len(value) <= MOST_AT_A_TIME:
        raise ValueError(f"has {len(value)} keys; list one to {MOST_AT_A_TIME}")
    return each(value, read)


def read_hashes(value: object) -> tuple[str, ...]:
    """One or several SHA-256."""
    return _one_or_more(value, read_sha256)


def read_secrets(value: object) -> tuple[SecretStr, ...]:
    return _one_or_more(value.get_secret_value() if isinstance(value, SecretStr) else value, read_secret)


def read_expiry(value: object) -> datetime:
    """The time in UTC from which a key is invalid; a bare date is the key's last day. Raises ValueError."""
    with suppress(ValueError, OverflowError):
        moment = value
        if isinstance(moment, str):
            moment = date.fromisoformat(moment) if len(moment) == 10 else datetime.fromisoformat(moment)
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if isinstance(moment, date) and not isinstance(moment, datetime):
            return datetime.combine(moment + timedelta(days=1), time(), UTC)
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError('has no time zone; write it like 2027-01-31T18:00:00Z, or as a date: "2027-01-31"')
    raise ValueError("is not a date such as 2027-01-31, nor a time such as 2027-01-31T18:00:00Z")


def read_model_pattern(value: str) -> str:
    """A public model name in which ``*`` matches any text. Raises ValueError."""
    if not value or not value.isprintable() or value != value.strip() or len(value) > LONGEST_ID:
        raise ValueError("must not be empty or too long, contain control characters, or begin or end with a space")
    return value


Hashes = Annotated[tuple[str, ...], PlainValidator(read_hashes)]
Secrets = Annotated[tuple[SecretStr, ...], PlainValidator(read_secrets)]
Expiry = Annotated[datetime, BeforeValidator(read_expiry)]
ModelPattern = Annotated[str, AfterValidator(read_model_pattern)]
KeyName = Annotated[Label, no_longer_than(LONGEST_ID, "the name of a key")]


class GatewayKey(Table):
    """A caller's gateway key, as its hash or as itself."""

    sha256: Hashes | None = Field(default=None, repr=False)
    """SHA-256 of the key in hexadecimal, as ``nexus key new`` prints it; a list during rotation. Either this or key is
    required."""

    key: Secrets | None = None
    """The key itself, preferably as a template such as "{{ env.ALICE_KEY }}"; a list during rotation."""

    group: Id | None = None
    """Group of the caller, for usage accounting and limits."""

    models: tuple[ModelPattern, ...] | None = None
    """Models that this key may call, such as ["anthropic/*"]. Default: all."""

    expires: Expiry | None = None
    """Last day on which the key is valid (UTC), or the time at which it expires."""

    @property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each key, in the order of the file (newest first)."""
        if self.key is not None:
            return tuple(digest_of(key.get_secret_value()) for key in self.key)
        return tuple(map(bytes.fromhex, self.sha256 or ()))

    def digest_paths(self) -> Iterator[tuple[KeyPath, bytes]]:
        """Each digest with its path below the key's table."""
        name, digests = "sha256" if self.key is None else "key", self.digests
        for index, digest in enumerate(digests):
            yield ((name,) if len(digests) == 1 else (name, index)), digest

    @field_validator("models")
    @classmethod
    def _some_model(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("allows no model; omit it to allow all models")
        return value

    def problems(self) -> Iterator[Location]:
        if self.key is None and self.sha256 is None:
            yield (), "has neither sha256 nor key; nexus key new NAME prints a table with one"
        if self.key is not None and self.sha256 is not None:
            yield ("sha256",), "cannot be combined with key; set only one of them"


def read_distinct_keys(keys: dict[str, GatewayKey]) -> dict[str, GatewayKey]:
    """The keys by name. Raises ValidationError if one key has two names, because calls could not be attributed."""
    seen: dict[bytes, str] = {}
    for name, key in keys.items():
        for path, digest in key.digest_paths():
            if digest in seen:
                twice = f"is also the key of {seen[digest]}; give each name its own key"
                fail_at(((name, *path), "is listed twice" if seen[digest] == name else twice))
            seen[digest] = name
    return keys


GatewayKeys = Annotated[dict[KeyName, GatewayKey], AfterValidator(read_distinct_keys)]
"""The type of ``[server.keys]``."""


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name matches the pattern, in which ``*`` matches any text. Never backtracks."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    last = rest.pop()
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in rest:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def matching(pattern: str, names: Sequence[str]) -> Iterator[str]:
    """Those of the sorted names that match. Looks only at names that begin like the pattern: there may be thousands of
    patterns, and thousands of names."""
    beginning = pattern.partition("*")[0]
    alike = itertools.takewhile(
        lambda name: name.startswith(beginning),
        map(names.__getitem__, range(bisect_left(names, beginning), len(names))),
    )
    return (name for name in alike if matches(pattern, name))

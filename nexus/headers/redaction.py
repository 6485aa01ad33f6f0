"""Redacts our credentials in the log and in vendors' replies.

Both use the same list of spellings. In replies only headers and errors are redacted, whether an error comes with its
status, in a stream event, or in a body with status 200. Other bytes of an answer pass unchanged, because the same
letters may be plain words there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote

from nexus.dataclasses import dataclass
from nexus.late import pattern

SHORTEST = 6
"""Minimum length of a secret: redacting a shorter key ("none", "x") would make texts unreadable."""

REDACTED = "[redacted]"

FEW = 50
"""Number of spellings up to which each is searched for."""

PART = 8
"""Length of the parts of longer texts by which many secrets are searched for at once."""

MOST_LEARNT = 256
"""Maximum number of secrets learnt at runtime; the oldest, long out of use, are dropped."""

_ERROR = pattern(rb'"error"\s*:\s*["{]')
_PLAIN = pattern(r"[A-Za-z0-9_.~-]+")
"""Matches secrets that no quoting changes."""

SCHEMES = ("Bearer", "Basic", "Token")
"""Authentication schemes that may precede a credential in a header."""

_in_unicode = json.JSONEncoder(ensure_ascii=False).encode

_QUOTINGS: Sequence[Callable[[str], str]] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: _in_unicode(text)[1:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    lambda text: repr(text)[1:-1],
    lambda text: quote(text, safe=""),
)
"""The ways in which a secret may be quoted in a log line or a body."""


def _unschemed(secret: str) -> str:
    """The credential in a header value without its scheme, as error messages may quote it; "" without a scheme."""
    scheme, _, rest = secret.partition(" ")
    return rest.strip() if scheme.capitalize() in SCHEMES else ""


def _spellings(secret: str, depth: int) -> set[str]:
    if _PLAIN.fullmatch(secret):
        return {secret}
    found = fresh = {text for text in (secret, _unschemed(secret)) if len(text) >= SHORTEST}
    for _ in range(depth):
        fresh = {quoting(spelling) for spelling in fresh for quoting in _QUOTINGS} - found
        found = found | fresh
    return found


@dataclass(frozen=True, slots=True, repr=False)
class Redactor:
    """``secrets`` are all spellings to redact, longest first: if one begins with another, its tail must not remain. If
    there are many, each that is not among the ``short`` ones has a part in ``parts`` wherever a text is cut into parts.
    """

    secrets: tuple[str, ...]
    short: tuple[str, ...] = ()
    parts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, secrets: Iterable[str], depth: int = 1) -> Redactor:
        """A redactor of these secrets, also in quoted form. A ``depth`` of 2 covers quoting within quoting, such as a
        dict in a message or JSON in a logfmt value."""
        long = (secret for secret in secrets if len(secret) >= SHORTEST)
        spellings = {spelling for secret in long for spelling in _spellings(secret, depth)}
        found = tuple(sorted(spellings, key=len, reverse=True))
        if len(found) <= FEW:
            return cls(found)
        parts = {secret[at : at + PART] for secret in found if len(secret) >= 2 * PART for at in range(PART + 1)}
        return cls(found, tuple(secret for secret in found if len(secret) < 2 * PART), frozenset(parts))

    def cut(self, body: bytes) -> bytes:
        """An error body without secrets; the same object if it has none."""
        for secret in self.secrets:
            if (spelled := secret.encode()) in body:
                body = body.replace(spelled, REDACTED.encode())
        return body

    def cut_text(self, text: str) -> str:
        for secret in self.secrets if self._may_hold_long(text) else self.short:
            text = text.replace(secret, REDACTED)
        return text

    def _may_hold_long(self, text: str) -> bool:
        # With thousands of gateway keys, searching for each would take longer than the rest of a call.
        parts = (text[at : at + PART] for at in range(0, len(text), PART + 1))
        return not (self.parts and self.parts.isdisjoint(parts))

    def cut_error(self, raw: bytes) -> bytes:
        """A frame or body without secrets if it looks like an error; otherwise unchanged."""
        return self.cut(raw) if _ERROR.search(raw) else raw

    def cut_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: self.cut_text(value) for name, value in headers.items()}


class KnownSecrets:
    """The secrets of all settings in use, and those learnt since. Thread-safe.

    ``cut_text`` never waits for a lock, because every change replaces the Redactor.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[object, tuple[str, ...]] = {}
        self._learnt: tuple[str, ...] = ()
        self._redactor = Redactor(())

    def hold(self, secrets: Iterable[str], key: object = None) -> Callable[[], None]:
        """Adds secrets until the returned function is called, or others are held under the same ``key``. Several
        holders may have the same secret, as old and new settings do."""
        key = key or object()
        with self._lock:
            self._held[key] = tuple(secrets)
            self._renew()

        def release() -> None:
            with self._lock:
                self._held.pop(key, None)
                self._renew()

        return release

    def learn(self, secret: str) -> None:
        """Adds a secret that is not in the settings, such as a renewed token."""
        with self._lock:
            self._learnt = (*(other for other in self._learnt if other != secret), secret)[-MOST_LEARNT:]
            self._renew()

    def cut_text(self, text: str) -> str:
        return self._redactor.cut_text(text)

    def _renew(self) -> None:
        held = (secret for secrets in self._held.values() for secret in secrets)
        self._redactor = Redactor.of({*self._learnt, *held}, depth=2)

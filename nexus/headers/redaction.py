"""Redaction of our credentials: in the log, and in vendors' replies.

One list of spellings for both. Of replies only headers and errors are cut, wherever an error stands: behind its
status, in an event of a stream, or in a body that says 200. An answer's other bytes pass, for there the same letters
may be plain words.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote

from nexus.dataclasses import dataclass
from nexus.late import pattern

SHORTEST = 6
"""A shorter key ("none", "x") is a word, whose loss would make a text unreadable."""

REDACTED = "[redacted]"

MOST_LEARNT = 256
"""Secrets that are learnt while Nexus runs; the oldest are long out of use."""

_ERROR = pattern(rb'"error"\s*:\s*["{]')
_PLAIN = pattern(r"[A-Za-z0-9_.~-]+")
"""What every quoting leaves as it is."""

SCHEMES = ("Bearer", "Basic", "Token")
"""What may stand before a credential in a header."""

_in_unicode = json.JSONEncoder(ensure_ascii=False).encode

_QUOTINGS: Sequence[Callable[[str], str]] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: _in_unicode(text)[1:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    lambda text: repr(text)[1:-1],
    lambda text: quote(text, safe=""),
)
"""All that text goes through on its way into a line or a body."""


def _unschemed(secret: str) -> str:
    """The credential in a header's whole value: who complains of it names it without its scheme."""
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
    """``secrets`` are all spellings that are looked for, longest first, lest one that begins with another leaves its
    tail behind."""

    secrets: tuple[str, ...]

    @classmethod
    def of(cls, secrets: Iterable[str], depth: int = 1) -> Redactor:
        """Finds them as they are and as they may be quoted. A ``depth`` of 2 is for what is quoted inside something
        quoted: a dict in a message, JSON in a logfmt value."""
        long = (secret for secret in secrets if len(secret) >= SHORTEST)
        spellings = {spelling for secret in long for spelling in _spellings(secret, depth)}
        return cls(tuple(sorted(spellings, key=len, reverse=True)))

    def cut(self, body: bytes) -> bytes:
        """An error without them; the very same object where there are none."""
        for secret in self.secrets:
            if (spelled := secret.encode()) in body:
                body = body.replace(spelled, REDACTED.encode())
        return body

    def cut_text(self, text: str) -> str:
        """The same for a message."""
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return text

    def cut_error(self, raw: bytes) -> bytes:
        """The same for a frame or a body, if it is an error."""
        return self.cut(raw) if _ERROR.search(raw) else raw

    def cut_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: self.cut_text(value) for name, value in headers.items()}


class KnownSecrets:
    """The secrets of all settings that are in use, and those that were learnt since. Thread-safe.

    ``cut_text`` never waits: whoever changes what is known puts another Redactor in its place.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[object, tuple[str, ...]] = {}
        self._learnt: tuple[str, ...] = ()
        self._redactor = Redactor(())

    def hold(self, secrets: Iterable[str], key: object = None) -> Callable[[], None]:
        """Until the returned function is called, or others are held under the same ``key``; several may hold the same
        secret, as old and new settings do."""
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
        """One that stands in no settings."""
        with self._lock:
            self._learnt = (*(other for other in self._learnt if other != secret), secret)[-MOST_LEARNT:]
            self._renew()

    def cut_text(self, text: str) -> str:
        return self._redactor.cut_text(text)

    def _renew(self) -> None:
        held = (secret for secrets in self._held.values() for secret in secrets)
        self._redactor = Redactor.of({*self._learnt, *held}, depth=2)

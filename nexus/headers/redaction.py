"""Redaction of our credentials in what a vendor replies to a client.

Law: pure. Headers and errors only, wherever an error stands: behind its status, in an event of a stream, or in a body
that says 200. An answer's other bytes pass, for there the same letters may be plain words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SHORTEST = 6
"""A shorter key ("none", "x") is a word, whose loss would make an error unreadable."""

REDACTED = "[redacted]"

_ERROR = re.compile(rb'"error"\s*:\s*["{]')


@dataclass(frozen=True, slots=True, repr=False)
class Redactor:
    """``secrets`` are all spellings that are looked for, longest first."""

    secrets: tuple[str, ...]

    @classmethod
    def of(cls, sent: Iterable[str]) -> Redactor:
        """What was sent, as it is and as JSON may write it."""
        long = [secret for secret in sent if len(secret) >= SHORTEST]
        spellings = {spelling for secret in long for spelling in (secret, *_in_json(secret))}
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


def _in_json(secret: str) -> tuple[str, ...]:
    spelled = json.dumps(secret)[1:-1]
    return spelled, spelled.replace("/", "\\/")

"""The parts of a fake model's answer, and the signatures of its thinking.

Values only. Every vendor renders the same parts; it leaves out unsupported ones, which its module docstring lists.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

FALLBACK_TOOL = "get_weather"
MARK = b"fake-signature"
SIGNATURES = {
    dialect: base64.b64encode(MARK + suffix).decode()
    for dialect, suffix in {
        "anthropic": b"",
        "gemini": b"-gemini",
        "converse": b"-converse",
        "responses": b"-responses",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """``signature`` is None for the vendor's default signature, "" for no signature."""

    text: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """``arguments`` is JSON as the model wrote it, which may be invalid."""

    name: str
    arguments: str = "{}"

    @property
    def value(self) -> Any:
        """The parsed arguments, or None if they are not a JSON object."""
        try:
            value = json.loads(self.arguments)
        except ValueError:  # a model may write invalid JSON, which each vendor reports in its own way
            return None
        return value if isinstance(value, dict) else None


Part = Text | Thinking | Call


def call_ids(parts: list[Part], first: str) -> list[str]:
    """An id for every call, "" for every other part: ``first``, then ``firstn2`` and so on.

    Not ``first_2``: Claude Code (2.1.332) mistakes another id plus a number for an id that it made itself, and loses
    the result.
    """
    ids: list[str] = []
    for part in parts:
        number = sum(1 for known in ids if known) + 1
        ids.append("" if not isinstance(part, Call) else first if number == 1 else f"{first}n{number}")
    return ids


def signature_of(part: Thinking, dialect: str) -> str:
    return SIGNATURES[dialect] if part.signature is None else part.signature


def is_foreign(signature: str, *own: str) -> bool:
    """Whether a fake vendor not in ``own`` made this signature; False for signatures of real vendors."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):  # not a fake's signature
        return False
    return raw.startswith(MARK) and signature not in {SIGNATURES[dialect] for dialect in own}


def is_base64(value: str) -> bool:
    """Whether it is base64 in either alphabet: Google accepts both, and its Python SDK sends the one for URLs."""
    try:
        base64.b64decode(value.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True

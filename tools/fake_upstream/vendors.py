"""The interface of a fake vendor, and the table of those there are.

Law: a vendor is a module of pure functions: it knows bodies and request rules, no sockets. Adding one is one module
beside this one and one line in ``VENDORS``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest

VENDORS = {
    "anthropic": "tools.fake_upstream.anthropic",
    "openai": "tools.fake_upstream.openai",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What one upstream accepts: any key when ``api_key`` is None, and top-level ``extra_fields`` unjudged."""

    api_key: str | None = None
    strict: bool = True
    extra_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not fit; ``problems`` go to ``violations``, the first words of them to the client."""

    status: int
    problems: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = ()
    error_type: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A healthy vendor's answer: ``body``, or ``frames`` of which the first ``opening`` come before any delta."""

    body: bytes = b""
    frames: tuple[bytes, ...] | None = None
    opening: int = 0


class Vendor(Protocol):
    """``serial`` counts the requests of one upstream; ids are made of it, so that they can be predicted."""

    REQUEST_ID_HEADER: str

    def warm_up(self) -> None:
        """Do what is slow before the first request, not during it."""

    def request_id(self, serial: int) -> str: ...

    def check(self, request: SeenRequest, rules: Rules) -> Refusal | None: ...

    def answer(self, request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer: ...

    def error_body(self, behaviour: Behaviour, request_id: str) -> bytes: ...

    def error_frame(self, behaviour: Behaviour, request_id: str) -> bytes:
        """The in-band error event of a stream."""


def load(name: str) -> Vendor:
    if name not in VENDORS:
        raise ValueError(f"no fake vendor {name!r}; there are {', '.join(sorted(VENDORS))}")
    return cast(Vendor, import_module(VENDORS[name]))


def body_problem(request: SeenRequest) -> str | None:
    """What every JSON API refuses before it looks at the fields."""
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        return f"content-type: {media_type or 'missing'}, not application/json"
    if not isinstance(request.json, dict):
        return "body: not a JSON object"
    return None


def pieces(text: str) -> list[str]:
    """Deltas as a model would stream them: word by word, nothing lost."""
    return re.findall(r"\s*\S+|\s+$", text)


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def text_or(message: str | None, status: int) -> str:
    return message or f"The fake upstream was told to fail ({status})."

"""The interface of a fake vendor, and the table of all fake vendors.

A vendor is a module of pure functions for bodies and request rules, without sockets. To add one, add a module here and
a line in ``VENDORS``. ``warm_up`` or a later call imports a vendor's SDK, never the import of the module.
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
    "azure": "tools.fake_upstream.azure",
    "bedrock": "tools.fake_upstream.aws.bedrock",
    "gemini": "tools.fake_upstream.google.gemini",
    "openai": "tools.fake_upstream.openai",
    "vertex": "tools.fake_upstream.google.vertex",
}

ACCESS_KEY = "AKIAFAKEUPSTREAM0000"
SECRET_KEY = "fake/secret/key/of/the/fake/upstream0000"


@dataclass(frozen=True, slots=True)
class Rules:
    """What one upstream accepts: any key if ``api_key`` is None, and any body if not ``strict``.

    The rest is for bedrock: the credentials for checking signatures (any region if ``region`` is None).
    """

    api_key: str | None = None
    strict: bool = True
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    session_token: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is rejected; all ``problems`` go to ``violations`` and, joined, to the client."""

    status: int
    problems: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = ()
    error_type: str | None = None
    error_code: str | None = None
    error_param: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A healthy vendor's answer: ``body``, or ``frames``, of which the first ``opening`` come before any delta.

    ``media_type`` None means JSON for a body and server-sent events for frames.
    """

    body: bytes = b""
    frames: tuple[bytes, ...] | None = None
    opening: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str | None = None


class Vendor(Protocol):
    """``serial`` counts the requests of one upstream; ids are made from it, so that tests can predict them."""

    REQUEST_ID_HEADER: str
    BASE_PATH: str
    """The path of a client's base URL."""

    TOKEN_PATHS: tuple[str, ...]
    """Paths that issue access tokens. Their requests have a separate count and queue of behaviours."""

    def warm_up(self) -> None:
        """Does slow preparations before the first request."""

    def request_id(self, serial: int) -> str: ...

    def check(self, request: SeenRequest, rules: Rules) -> Refusal | None: ...

    def answer(self, request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer: ...

    def error(self, request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
        """The error answer for ``behaviour.status``."""

    def error_frame(self, request: SeenRequest, behaviour: Behaviour, request_id: str) -> bytes:
        """The in-band error event of a stream."""


def load(name: str) -> Vendor:
    if name not in VENDORS:
        raise ValueError(f"no fake vendor {name!r}; there are {', '.join(sorted(VENDORS))}")
    return cast(Vendor, import_module(VENDORS[name]))


def media_type_of(request: SeenRequest) -> str:
    return (request.header("content-type") or "").partition(";")[0].strip().lower()


def body_problem(request: SeenRequest) -> str | None:
    """The problem that any JSON API reports before it checks the fields, or None."""
    media_type = media_type_of(request)
    if media_type != "application/json":
        return f"content-type: {media_type or 'missing'}, not application/json"
    if not isinstance(request.json, dict):
        return "body: not a JSON object"
    return None


def bearer_token(request: SeenRequest) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def pieces(text: str) -> list[str]:
    """The text as a model would stream it: word by word, with all white space."""
    return re.findall(r"\s*\S+|\s+$", text)


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def error_words(behaviour: Behaviour) -> str:
    return behaviour.message or f"The fake upstream was told to fail ({behaviour.status})."

"""Which path goes to which handler, and in which dialect its errors are written.

Law: one table; paths come from the settings, and unknown ones below a protocol's path answer in its dialect.
"""

from __future__ import annotations

import re
from typing import Any

from tornado.routing import URLSpec
from tornado.web import Application, RequestHandler

from nexus.auth import metadata
from nexus.protocols import chat, messages, responses
from nexus.protocols.base import Dialect
from nexus.server import hello
from nexus.server.base import UnknownPath
from nexus.server.calls import CallHandler, CompactHandler, CountHandler
from nexus.server.health import HealthHandler
from nexus.server.home import HomeHandler
from nexus.server.house import House
from nexus.server.metadata import MetadataHandler
from nexus.server.models import ModelHandler, ModelListHandler
from nexus.server.stored import StoredHandler

DIALECTS_OF: dict[str, tuple[Dialect, ...]] = {
    "openai": (chat.DIALECT, responses.DIALECT),
    "anthropic": (messages.DIALECT,),
}
"""What the clients of each protocol speak; the first is what they read at every other path."""


def make_app(house: House) -> Application:
    settings = house.settings
    specs: list[URLSpec] = []

    def add(pattern: str, handler: type[RequestHandler], dialect: Dialect) -> None:
        arguments: dict[str, Any] = {"house": house, "dialect": dialect}
        specs.append(URLSpec(pattern, handler, arguments))

    if settings.server.health.enabled:
        add(re.escape(settings.server.health.path), HealthHandler, chat.DIALECT)
    if house.guards.resource is not None:
        add(re.escape(metadata.PATH), MetadataHandler, chat.DIALECT)
    if settings.llm.enabled:
        for protocol, path in settings.llm.protocols.enabled_paths().items():
            dialects, base = DIALECTS_OF[protocol], re.escape(path)
            for dialect in dialects:
                add(f"{base}/v1{dialect.path}", CallHandler, dialect)
                if dialect.count_path is not None:
                    add(f"{base}/v1{dialect.count_path}", CountHandler, dialect)
                if dialect.compact_path is not None:
                    add(f"{base}/v1{dialect.compact_path}", CompactHandler, dialect)
                if dialect.stored_paths is not None:
                    add(f"{base}/v1({dialect.stored_paths})", StoredHandler, dialect)
            add(f"{base}/v1/models", ModelListHandler, dialects[0])
            add(f"{base}/v1/models/(.+)", ModelHandler, dialects[0])
            add(f"{base}(?:/|{hello.PATH})?", hello.HelloHandler, dialects[0])
            add(f"{base}(?:/.*)?", UnknownPath, dialects[0])
        add(re.escape(hello.PATH), hello.HelloHandler, chat.DIALECT)
    add("/", HomeHandler, chat.DIALECT)
    add(".*", UnknownPath, chat.DIALECT)
    return Application(specs, log_function=_no_log)


def _no_log(handler: RequestHandler) -> None:
    """Calls have a log line of their own."""

"""Shared by the log formatters: the parts of a record, and escaping that keeps text on one line."""

from __future__ import annotations

import functools
import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from nexus.late import pattern

TRACE = 5
OFF = 100

LEVELS: Mapping[str, int] = {
    "off": OFF,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
STYLES = ("text", "json", "human")
OWN_LOGGERS = ("nexus",)

_NAMES = {TRACE: "TRACE", logging.DEBUG: "DEBUG", logging.INFO: "INFO", logging.WARNING: "WARN"}
_NUMBERS = (int, float)
_BARE = pattern(r"[^\s\"=\\]+")


def time(record: logging.LogRecord) -> str:
    second = int(record.created)
    return f"{_second(second)}.{int((record.created - second) * 1e6):06d}Z"


@functools.lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def level(record: logging.LogRecord) -> str:
    return _NAMES.get(record.levelno, "ERROR" if record.levelno > logging.WARNING else "DEBUG")


def origin(record: logging.LogRecord) -> dict[str, object]:
    return {} if record.name.split(".", 1)[0] in OWN_LOGGERS else {"logger": record.name}


def fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return fields


def trace(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append("".join(traceback.format_exception(*record.exc_info)))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(part.rstrip("\n") for part in parts)


def logfmt(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if type(value) in _NUMBERS:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = as_json(value)
    return text if _BARE.fullmatch(text) else f'"{quoted(text)}"'


@functools.lru_cache(maxsize=1024)
def _text(value: str) -> str:
    """Cached, because most texts of a line repeat those of earlier lines."""
    return value if value.isprintable() and _BARE.fullmatch(value) else f'"{quoted(value)}"'


def quoted(text: str) -> str:
    return escape(text.replace("\\", "\\\\").replace('"', '\\"'))


def escape(text: str) -> str:
    """Escapes control characters, so that text cannot start a new line or control the terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else json.dumps(char)[1:-1] if ord(char) != 127 else "\\u007f" for char in text
    )


def as_json(value: object) -> str:
    # ASCII only: other characters may be line separators.
    return json.dumps(value, default=str, separators=(",", ":"))


def words(found: Mapping[str, object]) -> list[str]:
    """Fields as logfmt, without those that are None."""
    return [f"{key}={logfmt(value)}" for key, value in found.items() if value is not None]


def indented(text: str) -> str:
    """Indented, so that text in an exception cannot pass for a separate record."""
    return "".join(f"\n    {escape(row)}" for row in text.split("\n") if row)


def takes_colours(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether it is a terminal and colors are not disabled; None is a closed stream. https://no-color.org: any
    non-empty value disables them."""
    return stream is not None and stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

"""The log for a terminal: time of day, level, and the most important facts first, in color."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from nexus.accounting.record import ATTEMPT_FAILED
from nexus.protocols.operation import GENERATE
from nexus.telemetry import lines

Fields = Mapping[str, object]

_RED, _YELLOW, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
_COLOURS = {"ERROR": _RED, "WARN": _YELLOW, "INFO": _GREEN}


class HumanFormatter(logging.Formatter):
    """``02:10:00 INFO  200 chat openai/gpt-4 1.2 s, first 0.3 s, 120 in, 34 out``."""

    def __init__(self, colour: bool | None = None) -> None:
        super().__init__()
        self._colour = lines.takes_colours(sys.stderr, os.environ) if colour is None else colour

    def format(self, record: logging.LogRecord) -> str:
        message, fields = record.getMessage(), {**lines.origin(record), **lines.fields(record)}
        shorten = _SHORT.get(message) if fields else None
        words = [shorten(fields)] if shorten is not None else [message, *lines.words(fields)]
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = lines.level(record)
        line = [self._in(_DIM, time), self._in(_COLOURS.get(level, _DIM), f"{level:<5}"), lines.escape(" ".join(words))]
        return " ".join(line) + lines.indented(lines.trace(record))

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colour else text


def _call(fields: Fields) -> str:
    head = [str(fields.get(name)) for name in ("status", "protocol") if fields.get(name) is not None]
    if fields.get("action") not in (None, GENERATE.action):
        head.append(str(fields["action"]))
    model = fields.get("route") or fields.get("model") or fields.get("path")
    facts = [
        *_seconds("", fields.get("total_ms")),
        *_seconds("first ", fields.get("first_ms")),
        *(f"{fields[name]} {name}" for name in ("in", "out", "cached") if fields.get(name)),
        *([f"{fields['attempts']} attempts"] if fields.get("attempts") not in (None, 0, 1) else []),
        *(str(fields[name]) for name in ("client", "why") if fields.get(name)),
    ]
    return " ".join([*head, *([str(model)] if model else []), ", ".join(facts)]).rstrip()


def _seconds(name: str, milliseconds: object) -> Sequence[str]:
    return [f"{name}{milliseconds / 1000:.1f} s"] if isinstance(milliseconds, int | float) else []


def _attempt(fields: Fields) -> str:
    where = " ".join(str(fields[name]) for name in ("route", "host", "phase") if fields.get(name))
    which = f"attempt {fields.get('attempt')} of {fields.get('of')}"
    return f"{which} failed: {where}: {fields.get('why')}; {fields.get('next')}"


_SHORT: Mapping[str, Callable[[Fields], str]] = {"call": _call, ATTEMPT_FAILED: _attempt}

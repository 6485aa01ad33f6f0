"""The log on a terminal: field order, omitted fields, and colour only when allowed."""

import logging
import re
import sys

import pytest

from nexus.accounting.record import ATTEMPT_FAILED
from nexus.telemetry.human import HumanFormatter

CALL = {
    "id": "req_1",
    "status": 200,
    "error": None,
    "why": None,
    "client": "alice",
    "protocol": "chat",
    "action": "generate",
    "model": "openai/smart",
    "route": "openai/gpt-4",
    "attempts": 1,
    "first_ms": 300.2,
    "total_ms": 1234.5,
    "in": 120,
    "out": 34,
    "cached": 0,
}
FAILED = {
    "id": "req_1",
    "route": "openai/gpt-4",
    "host": "127.0.0.1:9",
    "phase": "connect",
    "why": "ECONNREFUSED: Connection refused",
    "attempt": 1,
    "of": 2,
    "next": "again in 0.4 s",
}

SHOWN: dict[str, tuple[str, dict[str, object], int, str]] = {
    "a call": ("call", CALL, logging.INFO, "INFO  200 chat openai/gpt-4 1.2 s, first 0.3 s, 120 in, 34 out, alice"),
    "a call that took two attempts": (
        "call",
        {**CALL, "attempts": 2, "client": None, "first_ms": None},
        logging.INFO,
        "INFO  200 chat openai/gpt-4 1.2 s, 120 in, 34 out, 2 attempts",
    ),
    "a refusal": (
        "call",
        {"status": 404, "protocol": "chat", "why": "no such model", "total_ms": 2.0},
        logging.INFO,
        "INFO  404 chat 0.0 s, no such model",
    ),
    "counting": (
        "call",
        {"status": 200, "protocol": "messages", "action": "count_tokens", "route": "a/b"},
        logging.INFO,
        "INFO  200 messages count_tokens a/b",
    ),
    "an attempt": (
        ATTEMPT_FAILED,
        FAILED,
        logging.WARNING,
        "WARN  attempt 1 of 2 failed: openai/gpt-4 127.0.0.1:9 connect: ECONNREFUSED: Connection refused; "
        "again in 0.4 s",
    ),
    "anything else": ("stopping", {"calls": 0, "x": None}, logging.INFO, "INFO  stopping calls=0"),
    "control characters": ("a\x1b[31mb\n", {}, logging.ERROR, r"ERROR a\u001b[31mb\n"),
}


def shown(message: str, fields: dict[str, object], level: int, formatter: logging.Formatter) -> str:
    record = logging.LogRecord("nexus.test", level, __file__, 1, message, None, None)
    record.fields = fields
    return formatter.format(record)


@pytest.mark.parametrize(("message", "fields", "level", "line"), SHOWN.values(), ids=SHOWN.keys())
def test_lines_are_formatted_for_a_terminal(message: str, fields: dict[str, object], level: int, line: str) -> None:
    time, rest = shown(message, fields, level, HumanFormatter(colour=False)).split(" ", 1)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", time)
    assert rest == line


def test_only_the_level_is_coloured() -> None:
    line = shown("x\x1b", {}, logging.WARNING, HumanFormatter(colour=True))
    assert "\x1b[33mWARN \x1b[0m x\\u001b" in line
    assert "\x1b" not in line.rpartition("\x1b[0m")[2]


@pytest.mark.parametrize(
    ("terminal", "no_colour", "colour"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colour_depends_on_terminal_and_environment(
    terminal: bool, no_colour: str, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert ("\x1b" in shown("x", {}, logging.INFO, HumanFormatter())) is colour

"""One record is one line in both styles, levels work as configured, and the sink redacts every secret."""

import contextlib
import json
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from nexus.headers.redaction import REDACTED
from nexus.telemetry import logs
from nexus.telemetry.lines import OWN_LOGGERS, STYLES, TRACE

SECRET = "sk-hushhush-0123456789"
OWN = logging.getLogger("nexus.test")
FOREIGN = logging.getLogger("urllib3.test")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, *OWN_LOGGERS)]
    before = [(logger, logger.level) for logger in loggers]
    yield
    for logger, level in before:
        logger.setLevel(level)
    root = logging.getLogger()
    for sink in [handler for handler in root.handlers if isinstance(handler, logs.LogHandler)]:
        root.removeHandler(sink)
        sink.close()


@contextlib.contextmanager
def only_the_sink() -> Iterator[None]:
    """Removes pytest's handlers, which raise errors that the sink must handle."""
    root = logging.getLogger()
    kept = root.handlers
    root.handlers = [handler for handler in kept if isinstance(handler, logs.LogHandler)]
    try:
        yield
    finally:
        root.handlers = kept


def said(capture: Capture) -> str:
    """Everything written since the last read; lines may still be in flight when ``info`` returns."""
    for sink in logging.getLogger().handlers:
        if isinstance(sink, logs.LogHandler):
            assert sink.writer.flush(60)
    return capture.readouterr().err


def text_line(capture: Capture) -> str:
    """The only line, without its time."""
    time, rest = said(capture).rstrip("\n").split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    return rest


TEXT: dict[str, tuple[str, dict[str, object], str]] = {
    "plain": ("ready", {}, "INFO  ready"),
    "fields": (
        "call",
        {"status": 200, "share": 0.5, "model": "demo/echo"},
        "INFO  call status=200 share=0.5 model=demo/echo",
    ),
    "blank": ("call", {"a": "b c"}, 'INFO  call a="b c"'),
    "empty": ("call", {"a": ""}, 'INFO  call a=""'),
    "equals sign": ("call", {"a": "b=c"}, 'INFO  call a="b=c"'),
    "quote and backslash": ("call", {"a": 'b"\\'}, r'INFO  call a="b\"\\"'),
    "line break": ("call", {"a": "b\nc"}, r'INFO  call a="b\nc"'),
    "line separator": ("call", {"a": "b\u2028c"}, r'INFO  call a="b\u2028c"'),
    "letters of all languages": ("grüße", {"a": "日本"}, "INFO  grüße a=日本"),
    "booleans and null": ("call", {"a": True, "b": False, "c": None}, "INFO  call a=true b=false"),
    "list": ("call", {"a": ["x", 1]}, r'INFO  call a="[\"x\",1]"'),
    "line break in the message": ("one\ntwo\r\x1b[31m\x7f", {}, r"INFO  one\ntwo\r\u001b[31m\u007f"),
}


@pytest.mark.parametrize(("message", "fields", "line"), TEXT.values(), ids=TEXT.keys())
def test_text_lines_are_formatted_and_escaped(
    capsys: Capture, message: str, fields: dict[str, object], line: str
) -> None:
    logs.configure("info", "text", ())
    OWN.info(message, extra={"fields": fields})
    assert text_line(capsys) == line


def test_json_lines_keep_all_fields(capsys: Capture) -> None:
    logs.configure("info", "json", ())
    OWN.warning("one\ntwo %s", "\u2028", extra={"fields": {"a": [1], "level": "mine", "b": None, "c": object}})
    (line,) = said(capsys).splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "warn",
        "logger": "nexus.test",
        "message": "one\ntwo \u2028",
        "a": [1],
        "field_level": "mine",
        "b": None,
        "c": "<class 'object'>",
    }


LEVELS = {
    "off": ([], []),
    "error": (["ERROR"], ["ERROR"]),
    "warn": (["WARN", "ERROR"], ["WARN", "ERROR"]),
    "info": (["INFO", "WARN", "ERROR"], ["WARN", "ERROR"]),
    "debug": (["DEBUG", "INFO", "WARN", "ERROR"], ["WARN", "ERROR"]),
    "trace": (["TRACE", "DEBUG", "INFO", "WARN", "ERROR"], ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
}


@pytest.mark.parametrize(("level", "lines"), LEVELS.items(), ids=LEVELS.keys())
def test_levels_filter_records(capsys: Capture, level: str, lines: tuple[list[str], list[str]]) -> None:
    logs.configure("trace", "json", ())
    logs.configure(level, "text", ())
    for logger, expected in zip((OWN, FOREIGN), lines, strict=True):
        for number in (TRACE, logging.DEBUG, logging.INFO, logging.WARNING, logging.CRITICAL):
            logger.log(number, "x")
        assert [line.split()[1] for line in said(capsys).splitlines()] == expected


def test_off_silences_a_logger_with_its_own_level(capsys: Capture) -> None:
    stubborn = logging.getLogger("stubborn")
    stubborn.setLevel(logging.DEBUG)
    logs.configure("off", "text", ())
    stubborn.critical("x")
    assert said(capsys) == ""


def _plain() -> None:
    OWN.info("key " + SECRET)


def _argument() -> None:
    OWN.info("key %s %r", SECRET, {"a": SECRET})


def _field() -> None:
    OWN.info("call", extra={"fields": {"url": f"https://x/?key={SECRET}", "headers": {"x-api-key": SECRET}}})


def _traceback() -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"about {SECRET}") from error
    except ValueError:
        OWN.exception("failed")


def _stack() -> None:
    OWN.info("x", stack_info=True, extra={"fields": {"key": SECRET}})


def _foreign() -> None:
    FOREIGN.error("GET /?key=%s", SECRET)


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError(f"cannot show {SECRET}")


def _broken_record() -> None:
    OWN.info("%s and " + SECRET, _Unprintable())


def _wrong_arguments() -> None:
    OWN.info("%d", SECRET)


LEAKS = (_plain, _argument, _field, _traceback, _stack, _foreign, _broken_record, _wrong_arguments)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("leak", LEAKS)
def test_the_sink_redacts_every_leak(capsys: Capture, style: str, leak: object) -> None:
    assert callable(leak)
    logs.configure("trace", style, (SECRET,))
    with only_the_sink():
        leak()
    words = said(capsys)
    assert words
    assert SECRET not in words


AWKWARD = {
    "quote": 'se"cret-key',
    "backslash": "se\\cret-key",
    "apostrophe": "se'cret-key",
    "letters beyond ASCII": "sécret-key",
    "what a URL would escape": "s/e+c=ret&key",
}


@pytest.mark.parametrize("secret", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("style", STYLES)
def test_secrets_are_redacted_in_every_encoding(capsys: Capture, style: str, secret: str) -> None:
    logs.configure("info", style, (secret,))
    OWN.info("%s", {"a": secret}, extra={"fields": {"a": secret, "b": {"c": secret}}})
    assert said(capsys).count(REDACTED) == 3


def test_very_short_secrets_are_not_redacted() -> None:
    assert logs.redactor(("none", "x", "12345"))("none x 12345") == "none x 12345"


def test_secrets_are_redacted_until_all_settings_that_have_them_are_released(capsys: Capture) -> None:
    logs.configure("info", "text", ())
    release = [logs.know(["secret-old", "secret-both"]), logs.know(["secret-new", "secret-both"])]
    shown = []
    for let_go in (*release, None):
        OWN.info("secret-old secret-new secret-both")
        shown.append(text_line(capsys).removeprefix("INFO  "))
        if let_go is not None:
            let_go()
    assert shown == [
        "[redacted] [redacted] [redacted]",
        "secret-old [redacted] [redacted]",
        "secret-old secret-new secret-both",
    ]


@pytest.mark.parametrize("scheme", ["Bearer", "basic", "TOKEN"])
def test_a_header_secret_is_redacted_without_its_scheme_too(scheme: str) -> None:
    redact = logs.redactor((f"{scheme} sk-of-nobody",))
    assert redact(f"{scheme} sk-of-nobody, sk-of-nobody: {scheme}") == f"[redacted], [redacted]: {scheme}"


def test_a_traceback_in_text_cannot_forge_a_record(capsys: Capture) -> None:
    logs.configure("info", "text", ())
    try:
        raise ValueError("x\n2026-01-01T00:00:00.000000Z INFO  forged")
    except ValueError:
        OWN.exception("failed")
    first, *rest = said(capsys).splitlines()
    assert first.endswith("ERROR failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_configuring_twice_writes_each_line_once(capsys: Capture) -> None:
    logs.configure("info", "text", ())
    logs.configure("info", "text", ())
    OWN.info("x")
    assert len(said(capsys).splitlines()) == 1


def test_an_uncaught_error_in_a_thread_is_logged_redacted(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise ValueError(f"about {SECRET}")

    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.configure("info", "text", (SECRET,))
    logs.take_over()
    logging.captureWarnings(False)
    with only_the_sink():
        thread = threading.Thread(target=die, name="mortal")
        thread.start()
        thread.join()
    words = said(capsys)
    assert "ERROR unhandled exception in a thread thread=mortal" in words
    assert "ValueError: about [redacted]" in words

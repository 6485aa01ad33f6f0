"""Searches everything that Nexus outputs during tests for secrets: logs, errors, replies, consoles.

Everything is logged, and records are checked as they would be written, before redaction: redaction is the second line
of defence, and tests/telemetry/test_logs.py tests it. A leak fails the test that caused it; the failure names the place
and not the secret. A test declares intended output of a secret with ``allowed_to_say``.

Methods of third-party classes and the constructors of our errors are wrapped and not replaced. Separate processes are
checked by what they print, which is already redacted. Loggers of the SDKs that tests use as clients are ignored: Nexus
never imports these SDKs, and they log what the client sends.
"""

import logging
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from tornado.iostream import BaseIOStream

from nexus.errors import NexusError
from nexus.settings import SettingsError
from nexus.telemetry import logs
from nexus.telemetry.lines import OWN_LOGGERS, TRACE
from tests.secrets import as_bytes, cut, found_in

Place = Literal["log", "error", "reply", "console"]

CLIENTS = frozenset({"openai", "anthropic", "httpx", "httpcore", "httpx2", "httpcore2", "google_genai"})
"""Loggers that Nexus does not have. They log warnings only, because most records came from them."""

KEPT = 2048
"""Bytes of a connection that are checked again with the next ones, to find secrets split in two."""

_BETWEEN_CHUNKS = re.compile(rb"\r\n[0-9a-fA-F]+\r\n")
"""A secret may be split here."""


class Leaks:
    """The leaks found since the last call of ``take``."""

    def __init__(self) -> None:
        self.test = "outside of all tests"
        self._leaks: dict[str, None] = {}
        self._allowed: list[tuple[Place, bytes]] = []

    def check(self, place: Place, where: str, said: str | bytes) -> bool:
        """Checks a text and returns whether it leaks a secret."""
        raw, clean = as_bytes(said), True
        for sign, match in found_in(raw):
            if any(place == allowed and words in match[0] for allowed, words in self._allowed):
                continue
            clean = False
            around = raw[max(0, match.start() - 80) : match.start()] + match[0] + raw[match.end() : match.end() + 80]
            words = cut(around.decode("utf-8", "replace"))
            self._leaks[f"{sign.kind} in {place} ({where}): ...{words}... [{self.test}]"] = None
        return not clean

    def take(self) -> list[str]:
        """Returns every leak once and clears them."""
        leaks = list(self._leaks)
        self._leaks.clear()
        return leaks

    @contextmanager
    def allowing(self, place: Place, words: bytes) -> Iterator[None]:
        entry = (place, words)
        self._allowed.append(entry)
        try:
            yield
        finally:
            self._allowed.remove(entry)


LEAKS = Leaks()


@contextmanager
def allowed_to_say(place: Place, secret: str) -> Iterator[None]:
    """Allows this one secret in this one place."""
    assert secret
    with LEAKS.allowing(place, secret.encode()):
        yield


def fail_on(leaks: Sequence[str]) -> None:
    if leaks:
        pytest.fail("a secret was leaked:\n" + "\n".join(leaks), pytrace=False)


# -- checkers ------------------------------------------------------------------------------------------------------


class LogChecker(logging.Handler):
    """Checks every record in both styles, without redaction."""

    formatters: Sequence[logging.Formatter] = tuple(make() for make in logs.FORMATTERS.values())

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in CLIENTS:
            return
        where = f"{record.name}, {record.filename}:{record.lineno}"
        try:
            said = [formatter.format(record) for formatter in self.formatters]
        except Exception:  # noqa: BLE001 - a record that cannot be formatted is checked as it is
            said = [f"{record.msg} {record.args!r}"]
        for text in said:
            if LEAKS.check("log", where, text):
                return


def _check_replies(patch: pytest.MonkeyPatch) -> None:
    """Checks everything that Tornado sends: all output of the server under test, and none of the fakes'."""
    write = BaseIOStream.write

    def checked(stream: BaseIOStream, data: bytes | memoryview) -> Any:
        said = _BETWEEN_CHUNKS.sub(b"", vars(stream).get("_tail", b"") + bytes(data))
        vars(stream)["_tail"] = b"" if LEAKS.check("reply", "to a client", said) else said[-KEPT:]
        return write(stream, data)

    patch.setattr(BaseIOStream, "write", checked)


def _check_errors(patch: pytest.MonkeyPatch) -> None:
    made, refused = NexusError.__init__, SettingsError.__init__

    def checked(error: NexusError, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        LEAKS.check("error", type(error).__name__, f"{message} {param or ''}")
        made(error, message, param=param, retry_after=retry_after)

    def checked_settings(error: SettingsError, *given: Any) -> None:
        refused(error, *given)
        LEAKS.check("error", type(error).__name__, str(error))

    patch.setattr(NexusError, "__init__", checked)
    patch.setattr(SettingsError, "__init__", checked_settings)


def _check_processes(patch: pytest.MonkeyPatch) -> None:
    communicate = subprocess.Popen.communicate

    def checked(process: subprocess.Popen[Any], *given: Any, **named: Any) -> tuple[Any, Any]:
        said = communicate(process, *given, **named)
        if is_nexus(process.args):
            for stream, text in zip(("stdout", "stderr"), said, strict=True):
                LEAKS.check("console", stream, text or b"")
        return said

    patch.setattr(subprocess.Popen, "communicate", checked)


def is_nexus(arguments: Any) -> bool:
    """Whether a process runs Nexus, and not a fake vendor or a client."""
    words = [arguments] if isinstance(arguments, str) else [str(word) for word in arguments]
    return "nexus" in words


# -- for conftest.py -----------------------------------------------------------------------------------------------


def lower_levels() -> None:
    """Sets the root level before pytest saves it, because pytest restores it after each phase of a test."""
    for logger in (logging.getLogger(), *map(logging.getLogger, OWN_LOGGERS)):
        if logger.level != TRACE:
            # Setting a level clears the cached levels of every logger.
            logger.setLevel(TRACE)
    for logger in map(logging.getLogger, CLIENTS):
        if logger.level != logging.WARNING:
            logger.setLevel(logging.WARNING)


@contextmanager
def checking_output() -> Iterator[None]:
    """Checks all output inside for secrets."""
    checker = LogChecker()
    with pytest.MonkeyPatch.context() as patch:
        for check in (_check_replies, _check_errors, _check_processes):
            check(patch)
        logging.getLogger().addHandler(checker)
        yield
        logging.getLogger().removeHandler(checker)
    fail_on(LEAKS.take())


def attribute_to(test: str) -> None:
    """Leaks are attributed to this test from now on."""
    lower_levels()
    LEAKS.test = test

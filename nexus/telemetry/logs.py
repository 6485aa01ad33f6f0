"""Sets up logging: one record is one line on stderr, without secrets, and logging never blocks.

Law: secrets are removed at the sink, from the finished text, so that no caller or library can leak one through a
message, a field or a traceback.

Pass fields as ``logger.info("call", extra={"fields": {"status": 200}})``; the text format omits those that are None.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO, TypeVar

from nexus.headers.redaction import REDACTED, KnownSecrets, Redactor
from nexus.late import pattern
from nexus.settings.keys import PREFIX
from nexus.telemetry import lines
from nexus.telemetry.human import HumanFormatter
from nexus.telemetry.threadless import ThreadlessWriter
from nexus.telemetry.writer import LogWriter

log = logging.getLogger("nexus")

_GATEWAY_KEY = pattern(r"\bnx-[A-Za-z0-9]{20,}")
"""The form of keys from ``nexus key new``: if only its hash is configured, the key itself is unknown."""

DROPPED = "log lines were dropped: stderr could not be written or was not read fast enough"

AnyWriter = TypeVar("AnyWriter", LogWriter, ThreadlessWriter)

Redact = Callable[[str], str]

_KNOWN = KnownSecrets()


def configure(level: str, style: str, secrets: Iterable[str]) -> None:
    """Sends all logging of the process to stderr; may be called again to change it."""
    logging.addLevelName(lines.TRACE, "TRACE")
    own = lines.LEVELS[level]
    foreign = own if level == "trace" else max(own, logging.WARNING)
    _KNOWN.hold(secrets, "configured")
    # Not part of any line, but looked up for each record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    sink = LogHandler(FORMATTERS[style]())
    # On the handler too: a library that sets a level on its own logger would bypass the root's level.
    sink.setLevel(own)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(sink)
    root.setLevel(foreign)
    for name in lines.OWN_LOGGERS:
        logging.getLogger(name).setLevel(own)


def flush(seconds: float) -> None:
    """Waits up to ``seconds`` until all lines are written."""
    for handler in _sinks():
        handler.writer.flush(seconds)


@contextmanager
def without_thread() -> Iterator[Callable[[], bool]]:
    """For a process that forks: writes without a thread. Yields a function to call regularly, which writes waiting
    lines and returns whether any are left.
    """
    writers = [handler.take_writer(ThreadlessWriter) for handler in _sinks()]
    try:
        yield lambda: sum(writer.write_some() for writer in writers) > 0
    finally:
        for handler in _sinks():
            handler.writer.flush()


def with_thread() -> None:
    """Returns to a writer thread, in a process that was forked ``without_thread``."""
    for handler in _sinks():
        handler.take_writer(LogWriter)


def _sinks() -> list[LogHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, LogHandler)]


def take_over() -> None:
    """Logs what Python itself would write to stderr, unredacted and blocking: thread exceptions and warnings."""

    def died(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not isinstance(what.exc_value, SystemExit):
            name = what.thread.name if what.thread is not None else None
            log.error("unhandled exception in a thread", exc_info=what.exc_value, extra={"fields": {"thread": name}})

    threading.excepthook = died
    logging.captureWarnings(True)


def redactor(secrets: Iterable[str]) -> Redact:
    """A function that removes every known secret, also if quoted, and everything that looks like a gateway key."""
    known = Redactor.of(secrets, depth=2)
    return lambda text: _cut(known, text)


def _cut(known: Redactor | KnownSecrets, text: str) -> str:
    text = known.cut_text(text)
    return _GATEWAY_KEY.sub(REDACTED, text) if PREFIX in text else text


def redacted(text: str) -> str:
    """``text`` without any secret that the log knows, for use outside the log."""
    return _cut(_KNOWN, text)


def know(secrets: Iterable[str]) -> Callable[[], None]:
    """Keeps these secrets out of the log until the returned function is called."""
    return _KNOWN.hold(secrets)


def hide(secret: str) -> None:
    """Keeps a secret that is not in the settings, such as a renewed token, out of the log."""
    _KNOWN.learn(secret)


class LogHandler(logging.Handler):
    """Passes redacted lines to the thread that writes them to stderr."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.writer: LogWriter | ThreadlessWriter = LogWriter(sys.stderr, self._dropped)

    def take_writer(self, kind: Callable[[TextIO, Callable[[int], str]], AnyWriter]) -> AnyWriter:
        """Replaces the writer; the previous one keeps its lines."""
        self.writer = writer = kind(sys.stderr, self._dropped)
        return writer

    def format(self, record: logging.LogRecord) -> str:
        return _cut(_KNOWN, super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.writer.put(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - formatting a record's arguments may raise anything
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """The standard method prints message and arguments unredacted."""
        where = f"{record.pathname}:{record.lineno}"
        text = f"a log record from {where} could not be written\n{traceback.format_exc()}"
        self.writer.put(_cut(_KNOWN, text))

    def flush(self) -> None:
        """Waits for the writer, for a limited time."""
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
        super().close()

    def _dropped(self, count: int) -> str:
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, DROPPED, None, None)
        record.fields = {"lines": count}
        return f"{self.format(record)}\n"


class TextFormatter(logging.Formatter):
    """``2026-11-23T02:10:00.123456Z INFO  message key=value``; tracebacks follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        words = [*lines.words(lines.origin(record)), *lines.words(lines.fields(record))]
        line = [lines.time(record), f"{lines.level(record):<5}", lines.escape(record.getMessage()), *words]
        return " ".join(line) + lines.indented(lines.trace(record))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": lines.time(record),
            "level": lines.level(record).lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A field must not overwrite a key that every line has.
        line |= {(f"field_{key}" if key in line else key): value for key, value in lines.fields(record).items()}
        if trace := lines.trace(record):
            line["exception"] = trace
        return lines.as_json(line)


FORMATTERS: Mapping[str, type[logging.Formatter]] = {
    "text": TextFormatter,
    "json": JsonFormatter,
    "human": HumanFormatter,
}

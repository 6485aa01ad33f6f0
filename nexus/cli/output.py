"""Prints to stdout, and handles a closed pipe, a full disk, a closed stdout and encodings that lack characters."""

from __future__ import annotations

import io
import os
import signal
import sys

UNREAD = 128 + signal.SIGPIPE
"""Exit code after SIGPIPE, as shells report it: the reader of a pipe, such as ``head``, has closed it."""


def put(text: str) -> None:
    """Writes and flushes ``text``. Raises SystemExit if that fails."""
    stream = sys.stdout
    if stream is None:
        raise SystemExit(_failed("is closed"))
    if isinstance(stream, io.TextIOWrapper):
        # Escape characters that the encoding lacks rather than fail.
        stream.reconfigure(errors="backslashreplace")
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Otherwise Python flushes the rest of the buffer at exit, which fails again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        unread = isinstance(error, BrokenPipeError)
        raise SystemExit(UNREAD if unread else _failed((error.strerror or str(error)).lower())) from None


def _failed(why: str) -> int:
    if sys.stderr is not None:
        sys.stderr.write(f"nexus: stdout cannot be written: {why}\n")
    return 1

"""What a command prints on stdout: a pipe that nobody reads on, a full disk, or none; in whatever encoding it has."""

from __future__ import annotations

import io
import os
import signal
import sys

UNREAD = 128 + signal.SIGPIPE
"""The exit code of a shell's own tools whose reader has gone, as ``head`` does when it has seen enough."""


def put(text: str) -> None:
    """Prints all of it at once; ends the command where that cannot be."""
    stream = sys.stdout
    if stream is None:
        raise SystemExit(_failed("is closed"))
    if isinstance(stream, io.TextIOWrapper):
        # A name that the encoding lacks is no reason to say nothing.
        stream.reconfigure(errors="backslashreplace")
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # What is left in it would be written, and fail, once more when the process ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        unread = isinstance(error, BrokenPipeError)
        raise SystemExit(UNREAD if unread else _failed((error.strerror or str(error)).lower())) from None


def _failed(why: str) -> int:
    if sys.stderr is not None:
        sys.stderr.write(f"nexus: stdout cannot be written: {why}\n")
    return 1

"""Tests that go through a table by themselves: a test of each row would take longer to collect than to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def table_row(name: str) -> Iterator[None]:
    """A failure inside names the row."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the row {name!r}")
        raise

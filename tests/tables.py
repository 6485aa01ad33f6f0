"""Tests that loop over a table themselves, because one test per row takes longer to collect than to run."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def table_row(name: str) -> Iterator[None]:
    """Adds the name of the row to a failure."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the row {name!r}")
        raise

"""Walks over all values of the settings, so that secrets and files are found by type.

A setting added later is covered without a line anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as File

from pydantic import BaseModel

from nexus.settings.types import KeyPath


def leaves(
    value: object, path: KeyPath = (), *, skips: Callable[[BaseModel], bool] = lambda table: False
) -> Iterator[tuple[KeyPath, object]]:
    """Every scalar with its path, which begins with ``path``; tables for which ``skips`` is true are left out."""
    left: list[tuple[KeyPath, object]] = [(path, value)]
    while left:
        path, value = left.pop()
        items: Iterable[tuple[str | int, object]]
        # Most values. Checked first, because pydantic makes isinstance slow for tables.
        if value is None or isinstance(value, str | int | float):
            yield path, value
            continue
        match value:
            case dict():
                items = value.items()
            case list() | tuple():
                items = enumerate(value)
            case BaseModel():
                items = [] if skips(value) else value
            case _:
                yield path, value
                continue
        left += [((*path, step), item) for step, item in items][::-1]


def named_files(settings: BaseModel) -> Iterator[tuple[KeyPath, File]]:
    yield from ((path, one) for path, one in leaves(settings) if isinstance(one, File))

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
    items: Iterable[tuple[str | int, object]]
    match value:
        case BaseModel():
            items = [] if skips(value) else [(name, getattr(value, name)) for name in type(value).model_fields]
        case dict():
            items = value.items()
        case list() | tuple():
            items = enumerate(value)
        case _:
            yield path, value
            return
    for step, item in items:
        yield from leaves(item, (*path, step), skips=skips)


def named_files(settings: BaseModel) -> Iterator[tuple[KeyPath, File]]:
    """Each file with the path of the setting that names it."""
    yield from ((path, one) for path, one in leaves(settings) if isinstance(one, File))

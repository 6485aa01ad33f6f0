"""Lists the files that settings name, found by type as secrets are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel


def named_files(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Path]]:
    """Each with the path of the setting that names it, which begins with ``path``."""
    match value:
        case Path():
            yield path, value
        case BaseModel():
            for name in type(value).model_fields:
                yield from named_files(getattr(value, name), (*path, name))
        case dict():
            for name, item in value.items():
                yield from named_files(item, (*path, name))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from named_files(item, (*path, index))

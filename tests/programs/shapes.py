"""The structure of a program's requests, one line for each header value and field, for ``tools.newest_programs``.

Names only, never values.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from tools.fake_upstream import SeenRequest

FILE = "NEXUS_PROGRAMS_SEEN"
"""Environment variable with the file's path; without it nothing is recorded."""

_LISTS = ("anthropic-beta", "openai-beta")
_OPEN = frozenset({"input_schema", "parameters", "schema", "format", "metadata", "client_metadata"})
_NAMED = ("type", "role", "name")


def keep(requests: Iterable[SeenRequest]) -> None:
    if file := os.environ.get(FILE):
        lines = {line for request in requests for line in shape(request)}
        with open(file, "a") as kept:
            kept.writelines(f"{line}\n" for line in sorted(lines))


def shape(request: SeenRequest) -> Iterator[str]:
    yield f"{request.method} {request.route}"
    for name in _LISTS:
        yield from (f"{name}: {value.strip()}" for value in (request.header(name) or "").split(",") if value)
    yield from _paths(request.json, "")


def _paths(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _paths(item, place + _name(item))
    elif isinstance(value, dict):
        for key, inner in value.items():
            here = f"{place}.{key}".removeprefix(".")
            yield here
            if key not in _OPEN and not (key == "input" and place.endswith("[tool_use]")):
                yield from _paths(inner, here)


def _name(item: Any) -> str:
    """What distinguishes an element of an array from its neighbours."""
    found = (item.get(key) for key in _NAMED) if isinstance(item, dict) else ()
    return f"[{next((name for name in found if isinstance(name, str)), '')}]"

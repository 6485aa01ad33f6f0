"""Compares JSON documents by meaning and order, and finds values in them.

Order matters in arrays, not in objects; text must be equal character by character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from nexus.wire import Json, mapping, sequence

ANY = "*"
"""Wildcard in a path: every element of an array."""


def difference(sent: Json, arrived: Json, path: str) -> str | None:
    """Where the two first differ, and how; None if they are equal."""
    match sent, arrived:
        case dict(), dict():
            for name in sent.keys() | arrived.keys():
                here = f"{path}.{name}"
                if name not in arrived:
                    return f"{here} is gone"
                if name not in sent:
                    return f"{here} was added"
                if found := difference(sent[name], arrived[name], here):
                    return found
            return None
        case list(), list():
            if len(sent) != len(arrived):
                return f"{path} has {len(arrived)} entries, not {len(sent)}"
            pairs = enumerate(zip(sent, arrived, strict=True))
            return next((found for at, (a, b) in pairs if (found := difference(a, b, f"{path}.{at}"))), None)
    same = sent == arrived and isinstance(sent, bool) == isinstance(arrived, bool)
    return None if same else f"{path} is {brief(arrived)}, not {brief(sent)}"


def brief(value: Json) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= 50 else f"{written[:47]}..."


def find(document: Json, path: Sequence[str]) -> Iterator[Json]:
    """Every value at ``path``."""
    if not path:
        yield document
    elif path[0] == ANY:
        for entry in sequence(document):
            yield from find(entry, path[1:])
    elif path[0] in (known := mapping(document)):
        yield from find(known[path[0]], path[1:])


def marks(document: Json, name: str, path: str = "") -> dict[str, Json]:
    """The values of every member called ``name``, by path."""
    found: dict[str, Json] = {}
    if isinstance(document, dict):
        for key, value in document.items():
            here = f"{path}.{key}".lstrip(".")
            found |= {here: value} if key == name else marks(value, name, here)
    elif isinstance(document, list):
        for at, value in enumerate(document):
            found |= marks(value, name, f"{path}.{at}".lstrip("."))
    return found

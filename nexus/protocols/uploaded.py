"""Files that a request refers to by id, in any dialect."""

from __future__ import annotations

from collections.abc import Iterator

from nexus.wire import Json, sequence, text

_UPLOADED = frozenset({"file_id", "file_ids", "vector_store_ids"})
_MODELS_WORDS = frozenset({"parameters", "input_schema", "metadata"})


def uploaded(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Their ids, each with its field."""
    match value:
        case dict():
            if text(value.get("type")).endswith("tool_use"):
                # A model's arguments for a tool are not fields of the protocol, whatever their names.
                return
            for name, item in value.items():
                place = f"{path}.{name}" if path else name
                if name in _UPLOADED:
                    ids = [item] if isinstance(item, str) else sequence(item)
                    yield from ((place, id) for id in ids if isinstance(id, str) and id)
                elif name not in _MODELS_WORDS:
                    yield from uploaded(item, place)
        case list():
            for index, item in enumerate(value):
                yield from uploaded(item, f"{path}[{index}]")

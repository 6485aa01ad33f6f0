"""A short request never becomes an endless one where a schema is written without its references and combinations."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Drops
from nexus.protocols.gemini.json_schema import write_json_schema
from nexus.protocols.gemini.openapi_schema import write_openapi_schema
from nexus.protocols.json_schema.closed import NotClosed, close
from nexus.protocols.json_schema.refs import MOST_COPIED, inlined
from nexus.wire import encode


def repeating(use: Mapping[str, Any]) -> dict[str, Any]:
    """One long text, and 2000 references to it."""
    definition = {"type": "string", "description": "x" * 100_000}
    return {
        "type": "object",
        "properties": {f"p{number}": {**use} for number in range(2000)},
        "$defs": {"A": definition},
    }


REFERENCE: dict[str, Any] = {"$ref": "#/$defs/A"}
MERGED = {"allOf": [REFERENCE, {"title": "mine"}]}
WRITERS: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, Any], type[Exception]]] = {
    "Gemini's OpenAPI schema": (
        lambda schema: write_openapi_schema(schema, "p", Drops()),
        REFERENCE,
        UnsupportedFeature,
    ),
    "Gemini's tool": (
        lambda schema: write_json_schema(schema, "p", Drops()),
        REFERENCE | {"title": "mine"},
        UnsupportedFeature,
    ),
    "Gemini's answer": (
        lambda schema: write_json_schema(schema, "p", Drops(), answer=True),
        MERGED,
        UnsupportedFeature,
    ),
    "strict schema": (lambda schema: close(schema, "p"), MERGED, NotClosed),
}


@pytest.mark.parametrize("case", WRITERS)
def test_a_long_text_that_would_be_repeated_too_often_is_rejected(case: str) -> None:
    write, use, error = WRITERS[case]
    with pytest.raises(error, match="too large"):
        write(repeating(use))


def test_a_bare_schema_allows_any_value_where_a_long_text_would_be_repeated_too_often() -> None:
    schema, is_whole = inlined(repeating(REFERENCE))
    assert not is_whole
    assert len(encode(schema)) < 2 * MOST_COPIED

"""A short request never becomes an endless one where a schema is written without its references and combinations."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.models import bedrock, gemini
from nexus.protocols import loader
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target
from nexus.protocols.gemini.json_schema import write_json_schema
from nexus.protocols.gemini.openapi_schema import write_openapi_schema
from nexus.protocols.json_schema.closed import NotClosed, close
from nexus.protocols.json_schema.refs import MOST_COPIED, Copies, inlined
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
        lambda schema: write_openapi_schema(schema, "p", Drops(), Copies()),
        REFERENCE,
        UnsupportedFeature,
    ),
    "Gemini's tool": (
        lambda schema: write_json_schema(schema, "p", Drops(), Copies()),
        REFERENCE | {"title": "mine"},
        UnsupportedFeature,
    ),
    "Gemini's answer": (
        lambda schema: write_json_schema(schema, "p", Drops(), Copies(), answer=True),
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
    found = inlined(repeating(REFERENCE))
    assert not found.whole
    assert len(encode(found.schema)) < 2 * MOST_COPIED


def doubling(name: str) -> Tool:
    """A tool of less than 1 kB that becomes more than 100 kB where its references are written out."""
    links: dict[str, Any] = {
        f"L{at}": {"properties": {side: {"$ref": f"#/$defs/L{at + 1}"} for side in "ab"}} for at in range(10)
    }
    root = {"type": "object", "properties": {"x": {"$ref": "#/$defs/L0"}}}
    return Tool(name, parameters={**root, "$defs": {**links, "L10": {"type": "string"}}})


@pytest.mark.parametrize(
    ("vendor", "target"),
    [
        ("gemini", Target("gemini-2.0-flash", gemini=gemini.profile("gemini-2.0-flash"))),
        ("converse", Target("amazon.nova-pro-v1:0", converse=bedrock.profile("amazon.nova-pro-v1:0"))),
    ],
    ids=["gemini", "converse"],
)
def test_many_tools_that_would_grow_are_rejected_together(vendor: str, target: Target) -> None:
    write = loader.vendor(vendor).write_request
    asked = Request((Message("user", (Text("hi"),)),), max_tokens=99)
    assert write(replace(asked, tools=(doubling("one"),)), target).body
    with pytest.raises(UnsupportedFeature, match="too large"):
        write(replace(asked, tools=tuple(doubling(f"t{at}") for at in range(100))), target)

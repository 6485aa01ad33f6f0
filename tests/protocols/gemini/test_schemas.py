"""JSON Schema -> the OpenAPI subset: what is converted, what is reported as lost, and what is rejected."""

from typing import Any

import pytest
from google.genai import types
from hypothesis import example, given
from hypothesis import strategies as st

from nexus.conversation.parts import Request, Tool
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Drops
from nexus.protocols.gemini.json_schema import write_json_schema
from nexus.protocols.gemini.openapi_schema import write_openapi_schema
from nexus.protocols.json_schema.refs import Copies

from .kit import target, user, write

CASES: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "types": (
        {
            "type": "object",
            "description": "d",
            "properties": {
                "a": {"type": "string", "minLength": 1, "pattern": "x"},
                "b": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 3},
                "c": {"type": "boolean", "default": False},
            },
            "required": ["a"],
        },
        {
            "description": "d",
            "required": ["a"],
            "type": "OBJECT",
            "properties": {
                "a": {"type": "STRING", "minLength": 1, "pattern": "x"},
                "b": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 1}, "maxItems": 3},
                "c": {"default": False, "type": "BOOLEAN"},
            },
        },
        [],
    ),
    "arrays of anything": (
        {"type": "array", "items": {"type": "array"}},
        {"type": "ARRAY", "items": {"type": "ARRAY", "items": {}}},
        [],
    ),
    "nullable": ({"type": ["string", "null"]}, {"nullable": True, "type": "STRING"}, []),
    "null alone": ({"type": "null"}, {"type": "NULL"}, []),
    "several types": (
        {"type": ["string", "integer", "null"], "minLength": 2, "minimum": 3, "title": "t"},
        {
            "title": "t",
            "nullable": True,
            "anyOf": [{"type": "STRING", "minLength": 2}, {"type": "INTEGER", "minimum": 3}],
        },
        [],
    ),
    "anyOf with null": (
        {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
        {"description": "d", "nullable": True, "type": "STRING"},
        [],
    ),
    "oneOf": (
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
        [],
    ),
    "const": ({"const": "x"}, {"type": "STRING", "enum": ["x"]}, []),
    "enum with null": ({"enum": ["a", None]}, {"nullable": True, "type": "STRING", "enum": ["a"]}, []),
    "enum with an empty string": ({"enum": ["", "a"]}, {"type": "STRING", "enum": ["a"]}, ["p.enum"]),
    "empty const": ({"const": ""}, {"type": "STRING"}, ["p.enum"]),
    "integer enum": (
        {"type": "integer", "enum": [1, 2]},
        {"type": "INTEGER", "format": "enum", "enum": ["1", "2"]},
        [],
    ),
    "boolean const": ({"type": "boolean", "const": True}, {"type": "BOOLEAN"}, ["p.enum"]),
    "mixed enum": ({"enum": ["a", 1]}, {}, ["p.enum"]),
    "string enum with a number": ({"type": "string", "enum": ["a", 1]}, {"type": "STRING", "enum": ["a"]}, []),
    "references": (
        {
            "$schema": "s",
            "properties": {"a": {"$ref": "#/$defs/A~1b", "description": "mine"}, "b": {"$ref": "#/$defs/A~1b"}},
            "$defs": {"A/b": {"type": "string", "description": "theirs"}},
        },
        {
            "type": "OBJECT",
            "properties": {
                "a": {"type": "STRING", "description": "mine"},
                "b": {"type": "STRING", "description": "theirs"},
            },
        },
        [],
    ),
    "allOf": (
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "number"}}, "required": ["a", "b"]},
            ]
        },
        {"type": "OBJECT", "properties": {"a": {"type": "STRING"}, "b": {"type": "NUMBER"}}, "required": ["a", "b"]},
        [],
    ),
    "closed objects": (
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}}},
        {"type": "OBJECT", "properties": {"a": {"type": "OBJECT"}}},
        ["p.properties.a.additionalProperties"],
    ),
    "open objects": ({"type": "object", "additionalProperties": True}, {"type": "OBJECT"}, []),
    "keywords without counterpart": (
        {"type": "array", "items": {"type": "number", "multipleOf": 2}, "uniqueItems": True, "prefixItems": []},
        {"type": "ARRAY", "items": {"type": "NUMBER"}},
        ["p.items.multipleOf", "p.uniqueItems", "p.prefixItems"],
    ),
    "formats": ({"type": "string", "format": "uuid"}, {"type": "STRING"}, ["p.format"]),
    "known formats": ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}, []),
    "validators of another type": ({"type": "string", "maximum": 3}, {"type": "STRING"}, ["p.maximum"]),
    "several types beside alternatives": (
        {"type": ["string", "integer"], "anyOf": [{"type": "string"}]},
        {"type": "STRING"},
        ["p.type"],
    ),
    "anyOf beside oneOf": (
        {"anyOf": [{"type": "string"}], "oneOf": [{"type": "string"}]},
        {"type": "STRING"},
        ["p.oneOf"],
    ),
    "an enum of numbers": ({"enum": [1, 2]}, {"type": "INTEGER", "format": "enum", "enum": ["1", "2"]}, []),
    "anything": (True, {}, []),
    "empty": ({}, {}, []),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_schemas_are_converted(case: str) -> None:
    schema, expected, expected_drops = CASES[case]
    drops = Drops()
    assert write_openapi_schema(schema, "p", drops, Copies()) == expected
    assert sorted(drops.names) == sorted(expected_drops)
    types.Schema.model_validate(expected)


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}, "recursive through #/$defs/Node"),
        ({"properties": {"me": {"$ref": "#"}}}, "recursive through #"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "recursive through #/$defs/A"),
        ({"$ref": "#/$defs/Gone"}, "does not exist"),
        ({"$ref": "https://example.com/s.json"}, "does not exist"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "different values of 'type'"),
        ({"properties": {"a": False}}, "cannot be expressed"),
        ({"items": "string"}, "cannot be expressed"),
    ],
)
def test_unsupported_schemas_are_rejected(schema: Any, says: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        write_openapi_schema(schema, "tools.0.parameters", Drops(), Copies())
    assert says in caught.value.message
    assert caught.value.param is not None and caught.value.param.startswith("tools.0.parameters")


def doubling(levels: int) -> Any:
    again = {f"L{n}": {"properties": {side: {"$ref": f"#/$defs/L{n + 1}"} for side in "ab"}} for n in range(levels)}
    return {"$ref": "#/$defs/L0", "$defs": {**again, f"L{levels}": {"type": "string"}}}


@pytest.mark.parametrize("levels", [20, 31, 500])
def test_references_that_expand_exponentially_are_rejected(levels: int) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        write_openapi_schema(doubling(levels), "p", Drops(), Copies())
    assert "too large" in caught.value.message


def copied(**beside: Any) -> dict[str, Any]:
    """A short schema with a large definition in many places."""
    large = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(1000)}}
    uses = {f"use{number}": {"$ref": "#/$defs/Large", **beside} for number in range(400)}
    return {"type": "object", "properties": uses, "$defs": {"Large": large}}


@pytest.mark.parametrize("answer", [False, True], ids=["tool", "answer"])
def test_definitions_that_would_be_copied_too_often_are_rejected(answer: bool) -> None:
    assert write_json_schema(copied(), "p", Drops(), Copies(), answer=answer)["$defs"]
    with pytest.raises(UnsupportedFeature) as caught:
        write_json_schema(copied(description="mine"), "p", Drops(), Copies(), answer=answer)
    assert "too large" in caught.value.message


def test_merged_definitions_that_would_be_copied_too_often_are_rejected() -> None:
    schema = copied()
    uses = {name: {"allOf": [use, {"required": ["p1"]}]} for name, use in schema["properties"].items()}
    with pytest.raises(UnsupportedFeature) as caught:
        write_json_schema({**schema, "properties": uses}, "p", Drops(), Copies(), answer=True)
    assert "too large" in caught.value.message


def test_a_long_chain_of_references_is_written_in_linear_time() -> None:
    """In quadratic time, it takes several seconds."""
    links = {f"Link{number}": {"$ref": f"#/$defs/Link{number + 1}"} for number in range(3000)}
    schema = {"$ref": "#/$defs/Link0", "$defs": {**links, "Link3000": {"type": "string"}}}
    assert write_json_schema(schema, "p", Drops(), Copies(), answer=True) == schema


def _tree(*more: Any) -> dict[str, Any]:
    child = {"allOf": [{"$ref": "#/$defs/Node"}, *more], "default": None}
    node = {"type": "object", "properties": {"child": child}}
    return {"allOf": [{"$ref": "#/$defs/Node"}], "$defs": {"Node": node}}


def test_a_recursive_answer_schema_from_pydantic_is_written() -> None:
    written = write_json_schema(_tree(), "p", Drops(), Copies(), answer=True)
    assert written["properties"]["child"] == {"$ref": "#/$defs/Node"}
    (child,) = written["$defs"]["Node"]["properties"].values()
    assert child["properties"]["child"] == {"$ref": "#/$defs/Node"}


def test_a_recursive_answer_schema_inside_all_of_is_rejected() -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        write_json_schema(_tree({"required": ["child"]}), "p", Drops(), Copies(), answer=True)
    assert "recursive in what allOf combines" in caught.value.message


ANSWERS: dict[str, tuple[Any, Any, list[str]]] = {
    "a constant": ({"const": "x"}, {"enum": ["x"]}, []),
    "null alone": ({"enum": [None]}, {"type": "null"}, []),
    "values or null": (
        {"type": ["string", "null"], "enum": ["a", None]},
        {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        [],
    ),
    "values that Google does not have": ({"enum": [True]}, {"description": "{enum: [True]}"}, ["p.enum"]),
    "exclusive bounds": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "integer", "minimum": 1, "maximum": 8},
        [],
    ),
    "a contradiction": (
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"description": "{allOf: [{'type': 'string'}, {'type': 'integer'}]}"},
        ["p.allOf"],
    ),
}


@pytest.mark.parametrize(("schema", "expected", "lost"), ANSWERS.values(), ids=ANSWERS)
def test_schemas_of_answers_use_the_keywords_that_google_has(schema: Any, expected: Any, lost: list[str]) -> None:
    drops = Drops()
    assert write_json_schema(schema, "p", drops, Copies(), answer=True) == expected
    assert list(drops.names) == lost


def test_tool_schemas_are_converted_for_an_old_server() -> None:
    tools = (
        Tool("a", parameters={"type": "object", "properties": {"x": {"type": "string", "format": "uri"}}}),
        Tool("b", parameters={"type": "object", "properties": {}, "additionalProperties": False}),
    )
    written = write(Request((user("hi"),), tools=tools), target("gemini-2.0-flash"))
    assert written.body["tools"][0]["functionDeclarations"] == [
        {"name": "a", "parameters": {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}}},
        {"name": "b"},
    ]
    assert written.dropped == ("tools.0.parameters.properties.x.format", "tools.1.parameters.additionalProperties")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "null", "object", "#/$defs/a", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "allOf", "oneOf", "$ref", "enum", "const", "required", "$defs"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(junk)
@example({"allOf": [{"required": None}], "required": []})
def test_no_schema_crashes_the_writer(schema: Any) -> None:
    try:
        write_openapi_schema(schema, "p", Drops(), Copies())
    except UnsupportedFeature as refusal:
        assert refusal.param is not None

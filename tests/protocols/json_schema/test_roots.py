"""Arguments become an object without unions at its root, and other ways in which a schema is fitted."""

from typing import Any

import pytest

from nexus.errors import ClientError
from nexus.protocols.json_schema.refs import hoisted, references
from nexus.protocols.json_schema.roots import modern, object_root

A, B, C = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def obj(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


ROOTS: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "nothing": (None, obj(), ()),
    "a zero-argument tool": ({"type": "object"}, obj(), ()),
    "no type": ({"properties": {"a": A}}, obj(a=A), ()),
    "an object or null": ({"type": ["object", "null"], "properties": {"a": A}}, obj(a=A), ()),
    "a plain object": (obj(["a"], a=A) | {"additionalProperties": False}, None, ()),
    "alternatives": (
        {"oneOf": [obj(["a", "b"], a=A, b=B), obj(["a", "c"], a=A, c=C)]},
        obj(["a"], a=A, b=B, c=C),
        ("oneOf",),
    ),
    "alternatives of required properties": (
        obj(["a"], a=A, b=B, c=C) | {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
        obj(["a"], a=A, b=B, c=C),
        ("anyOf",),
    ),
    "one name, two types": ({"anyOf": [obj(["a"], a=A), obj(["a"], a=B)]}, obj(["a"], a={"anyOf": [A, B]}), ("anyOf",)),
    "a number and true": (
        {"anyOf": [obj(a={"const": 1}), obj(a={"const": True})]},
        obj(a={"anyOf": [{"const": 1}, {"const": True}]}),
        ("anyOf",),
    ),
    "all of them": ({"allOf": [obj(["a"], a=A), obj(["b"], b=B)]}, obj(["a", "b"], a=A, b=B), ()),
    "closed alternatives": (
        {"anyOf": [obj(a=A) | {"additionalProperties": False}, obj(b=B) | {"additionalProperties": False}]},
        obj(a=A, b=B) | {"additionalProperties": False},
        ("anyOf",),
    ),
    "an object or null as alternatives": ({"anyOf": [obj(["a"], a=A), {"type": "null"}]}, obj(["a"], a=A), ()),
    "a reference": (
        {"$ref": "#/$defs/x", "$defs": {"x": obj(["a"], a=A)}},
        obj(["a"], a=A) | {"$defs": {"x": obj(["a"], a=A)}},
        (),
    ),
    "alternatives in references": (
        {"$ref": "#/$defs/x", "$defs": {"x": {"anyOf": [{"$ref": "#/$defs/y"}, obj(b=B)]}, "y": obj(a=A)}},
        obj(a=A, b=B) | {"$defs": {"x": {"anyOf": [{"$ref": "#/$defs/y"}, obj(b=B)]}, "y": obj(a=A)}},
        ("anyOf",),
    ),
    "a pointer into an alternative": (
        {"anyOf": [obj(a=A), obj(b={"$ref": "#/anyOf/0/properties/a"})]},
        obj(a=A, b={"$ref": "#/$defs/a"}) | {"$defs": {"a": A}},
        ("anyOf",),
    ),
}


@pytest.mark.parametrize("case", ROOTS)
def test_the_root_becomes_an_object(case: str) -> None:
    schema, expected, lost = ROOTS[case]
    root = object_root(schema, "tools.0.parameters")
    assert root.schema == (schema if expected is None else expected)
    assert root.lost == lost
    assert bool(root.in_words) == bool(lost)


def test_losses_are_listed_and_described() -> None:
    schema = obj(a=A) | {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["c"]}}
    root = object_root(schema, "", forbidden=("not",))
    assert root.lost == ("anyOf", "not")
    assert 'anyOf [{"required":["a"]},{"required":["b"]}]; not {"required":["c"]}' in root.in_words
    assert "not" in object_root(schema, "").schema


REFUSED: dict[str, Any] = {
    "a list": [],
    "a string": {"type": "string"},
    "a union of strings": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "a circular reference": {"$ref": "#"},
    "nowhere": {"$ref": "#/$defs/none"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_schema_that_is_not_an_object_is_rejected_with_its_path(case: str) -> None:
    with pytest.raises(ClientError) as caught:
        object_root(REFUSED[case], "tools.3.parameters")
    assert caught.value.param == "tools.3.parameters"


def test_all_references_point_to_definitions() -> None:
    schema = obj(
        a={"$ref": "#/definitions/x~1y"},
        b={"$ref": "#/properties/c/items"},
        c={"type": "array", "items": {"$ref": "#/definitions/x~1y"}},
        d={"$ref": "https://example.com/"},
        e={"$ref": "#/$defs/kept"},
    ) | {"definitions": {"x/y": A}, "$defs": {"kept": B}}
    whole = hoisted(schema)
    assert sorted(references(whole)) == [
        "#/$defs/items",
        "#/$defs/kept",
        "#/$defs/x_1y",
        "#/$defs/x_1y",
        "#/$defs/x_1y",
        "https://example.com/",
    ]
    assert whole["$defs"] == {"kept": B, "x_1y": A, "items": {"$ref": "#/$defs/x_1y"}}
    assert "definitions" not in whole


OLD: dict[str, tuple[Any, Any]] = {
    "draft 4 bounds": ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
    "inclusive draft 4 bounds": ({"maximum": 9, "exclusiveMaximum": False}, {"maximum": 9}),
    "tuples": ({"items": [A, B], "additionalItems": False}, {"prefixItems": [A, B], "items": False}),
    "draft 3": ({"properties": {"a": {"type": "any", "required": True}}}, {"properties": {"a": {}}}),
    "a property named like a keyword": (obj(["items"], items=A, minimum=B), obj(["items"], items=A, minimum=B)),
}


@pytest.mark.parametrize("case", OLD)
def test_schemas_of_older_drafts_are_modernized(case: str) -> None:
    schema, expected = OLD[case]
    assert modern(schema) == expected

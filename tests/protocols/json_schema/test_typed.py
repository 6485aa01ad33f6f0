"""Every place of a schema gets one type, as Moonshot requires; what is less than before is reported."""

from typing import Any

import pytest

from nexus.protocols.json_schema.typed import typed_root

A, B = {"type": "string"}, {"type": "integer"}
CLOSED = {"type": "object", "properties": {"a": A}, "required": ["a"]}

PLACES: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    # What a property is, what it becomes, and what is reported.
    "a type": (A, A, ()),
    "nothing": ({"description": "any"}, {"description": "any", **A}, ("type",)),
    "values": ({"enum": [1, 2]}, {"enum": [1, 2], **B}, ()),
    "values and null": ({"enum": ["x", None]}, {"enum": ["x"], **A}, ("enum",)),
    "a type or null": ({"type": ["integer", "null"]}, B, ("type",)),
    "an alternative to null": ({"anyOf": [A, {"type": "null"}]}, A, ("anyOf",)),
    "alternatives": ({"anyOf": [A, B]}, {"anyOf": [A, B]}, ()),
    "a type beside alternatives": (
        {"type": "string", "anyOf": [{"minLength": 1}, {"const": "x"}]},
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "string", "const": "x"}]},
        (),
    ),
    "alternatives of an object": ({**CLOSED, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, CLOSED, ("oneOf",)),
    "a reference with words": ({"$ref": "#/definitions/D", "description": "d"}, {**CLOSED, "description": "d"}, ()),
    "all of one": ({"allOf": [{"$ref": "#/definitions/D"}]}, CLOSED, ()),
    "logic": ({**CLOSED, "if": {"required": ["a"]}, "then": {}}, CLOSED, ("if", "then")),
    "an object without a list": ({"type": "object"}, {"type": "object", "properties": {}, "required": []}, ()),
    "a name that is no property": ({**CLOSED, "required": ["a", "z"]}, CLOSED, ("required",)),
    "a pattern of JavaScript": (A | {"pattern": r"\p{L}"}, A | {"description": r"{pattern: \p{L}}"}, ("pattern",)),
    "items": ({"items": {"properties": {"a": A}}}, {"type": "array", "items": {**CLOSED, "required": []}}, ()),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_one_type(place: str) -> None:
    given, written, lost = PLACES[place]
    schema = {"type": "object", "properties": {"p": given}, "required": ["p"], "definitions": {"D": CLOSED}}
    root = typed_root(schema, "tools.0.parameters")
    assert root.schema == {"type": "object", "properties": {"p": written}, "required": ["p"]}
    assert root.lost == tuple(f"tools.0.parameters.{name}" for name in lost)

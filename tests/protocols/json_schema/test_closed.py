"""The subset of JSON Schema for constrained decoding: equal to Anthropic's SDK, or rejected with a reason."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from anthropic.lib._parse._transform import transform_schema
from pydantic import BaseModel, Field, TypeAdapter

from nexus.protocols.json_schema.closed import NotClosed, close

PATH = "output_format.schema"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """Where."""

    city: str = Field(min_length=1, description="The city")
    zip: Annotated[str, Field(pattern="^[0-9]+$")] | None = None


class Person(BaseModel):
    age: int = Field(ge=0, lt=150, description="In years")
    score: float = Field(multiple_of=0.5)
    tags: list[str] = Field(min_length=1, max_length=3)
    many: list[Place] = Field(min_length=2)
    kind: Literal["a", "b", 3, None]
    colour: Colour
    home: Place
    work: Place | None
    either: int | str | Place = 3
    flag: bool = True
    nothing: None = None


@pytest.mark.parametrize("type_", [Person, Place, list[Place], Person | Place, Colour, int], ids=str)
def test_pydantic_schemas_are_closed_as_by_anthropics_sdk(type_: Any) -> None:
    schema = TypeAdapter(type_).json_schema()
    assert close(schema, PATH).schema == transform_schema(schema)


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


CLOSED: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "an object is closed": (obj(a={"type": "string"}), obj(a={"type": "string"}), ()),
    "bounds move to the description": (
        obj(n={"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"}),
        obj(n={"type": "integer", "description": "A number\n\n{minimum: 1, maximum: 10}"}),
        (".properties.n.minimum", ".properties.n.maximum"),
    ),
    "oneOf becomes anyOf": (
        obj(n={"oneOf": [{"type": "integer"}, {"type": "null"}]}),
        obj(n={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (),
    ),
    "a default is not a loss": (
        obj(n={"type": "integer", "default": 3}),
        obj(n={"type": "integer", "description": "{default: 3}"}),
        (),
    ),
    "keywords without effect are removed": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", **obj(a={"const": 1})},
        obj(a={"const": 1}),
        (),
    ),
    "several types are kept": (
        obj(n={"type": ["string", "null"], "minLength": 2}),
        obj(n={"type": ["string", "null"], "description": "{minLength: 2}"}),
        (".properties.n.minLength",),
    ),
    "several types, one with members": (
        obj(n={"type": ["array", "null"], "items": {"type": "string"}, "description": "d"}),
        obj(n={"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "description": "d"}),
        (),
    ),
    "additional properties are lost": (
        obj(a={"type": "string"}) | {"additionalProperties": {"type": "string"}},
        obj(a={"type": "string"}),
        (".additionalProperties",),
    ),
    "no properties at all": (obj(), obj(), ()),
    "a known format is kept": (
        obj(n={"type": "string", "format": "date", "minItems": 1}),
        obj(n={"type": "string", "format": "date", "description": "{minItems: 1}"}),
        (".properties.n.minItems",),
    ),
    "several types, one with members, of a constant": (
        obj(n={"type": ["array", "null"], "const": None}),
        obj(n={"const": None}),
        (),
    ),
    "an array of anything": (obj(n={"type": "array"}), obj(n={"type": "array"}), ()),
    "allOf of one reference": (
        obj(a={"allOf": [{"$ref": "#/$defs/b"}], "default": None}) | {"$defs": {"b": {"type": "string"}}},
        obj(a={"$ref": "#/$defs/b"}) | {"$defs": {"b": {"type": "string"}}},
        (),
    ),
    "allOf of objects is merged": (
        {
            "allOf": [{"$ref": "#/$defs/a"}, {"properties": {"y": {"type": "integer"}}, "required": ["y"]}],
            "$defs": {"a": obj(x={"type": "string"}) | {"required": ["x"]}},
        },
        obj(x={"type": "string"}, y={"type": "integer"})
        | {"required": ["x", "y"]}
        | {"$defs": {"a": obj(x={"type": "string"}) | {"required": ["x"], "additionalProperties": False}}},
        (),
    ),
    "old definitions": (
        obj(a={"$ref": "#/definitions/b"}) | {"definitions": {"b": {"type": "string"}}},
        obj(a={"$ref": "#/$defs/b"}) | {"$defs": {"b": {"type": "string"}}},
        (),
    ),
    "a pointer into another property": (
        obj(a={"type": "string"}, b={"$ref": "#/properties/a"}),
        obj(a={"type": "string"}, b={"$ref": "#/$defs/a"}) | {"$defs": {"a": {"type": "string"}}},
        (),
    ),
    "keywords next to a reference": (
        obj(a={"$ref": "#/$defs/b", "description": "d", "minLength": 2}) | {"$defs": {"b": {"type": "string"}}},
        obj(a={"$ref": "#/$defs/b"}) | {"$defs": {"b": {"type": "string"}}},
        (".properties.a.minLength",),
    ),
}


@pytest.mark.parametrize("case", CLOSED)
def test_schemas_are_closed_and_losses_are_listed(case: str) -> None:
    schema, expected, lost = CLOSED[case]
    closed = close(schema, "")
    assert closed.schema == expected | {"additionalProperties": False}
    assert closed.lost == lost


TREE = {"type": "object", "properties": {"child": {"$ref": "#/$defs/tree"}}, "additionalProperties": False}

NOT_CLOSED: dict[str, tuple[Any, str]] = {
    "any value": ({}, "any value"),
    "any value inside": (obj(a={}), "properties.a: any value"),
    "any value in short": (True, "any value"),
    "any value inside, in short": (obj(a=True), "properties.a: any value"),
    "no value": (obj(a=False), "properties.a: no value"),
    "a free map": (obj(a={"type": "object"}), "properties.a: an object of any properties"),
    "a map": (obj(a={"type": "object", "additionalProperties": {"type": "string"}}), "any properties"),
    "pattern properties": (
        obj(a={"type": "object", "patternProperties": {"^x": {"type": "string"}}}),
        "any properties",
    ),
    "recursion": ({"$ref": "#/$defs/tree", "$defs": {"tree": TREE}}, "recursive through 'tree'"),
    "recursion at the root": (obj(child={"$ref": "#"}), "recursive through 'root'"),
    "a reference outside the schema": (obj(a={"$ref": "https://example.com/a.json"}), "does not exist"),
    "contradiction": ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "different values of type"),
}


@pytest.mark.parametrize("case", NOT_CLOSED)
def test_unsupported_schemas_are_rejected_with_a_reason(case: str) -> None:
    schema, reason = NOT_CLOSED[case]
    with pytest.raises(NotClosed, match=reason):
        close(schema, PATH)


WEIGHTS: dict[str, tuple[Any, int, int]] = {
    "required properties do not count": (obj(a={"type": "string"}) | {"required": ["a"]}, 0, 0),
    "at every depth": (obj(a=obj(b={"type": "string"}, c={"type": "string"})), 3, 0),
    "unions": (obj(a={"type": ["string", "null"]}, b={"anyOf": [{"type": "string"}, {"type": "null"}]}), 2, 2),
    "a definition counts where it is used": (
        obj(a={"$ref": "#/$defs/p"}, b={"$ref": "#/$defs/p"}) | {"$defs": {"p": obj(c={"type": ["string", "null"]})}},
        4,
        2,
    ),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_optional_properties_and_unions_are_counted(case: str) -> None:
    schema, optional, unions = WEIGHTS[case]
    closed = close(schema, PATH)
    assert (closed.optional, closed.unions) == (optional, unions)


def test_exponential_merging_is_rejected() -> None:
    ref = "#/$defs/"
    defs: dict[str, Any] = {
        f"d{at}": {"allOf": [{"$ref": f"{ref}d{at + 1}"}, {"$ref": f"{ref}d{at + 1}"}]} for at in range(40)
    }
    with pytest.raises(NotClosed, match="too large"):
        close({"$ref": f"{ref}d0", "$defs": defs | {"d40": obj(a={"type": "string"})}}, PATH)

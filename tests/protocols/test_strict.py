"""OpenAI's ``strict``: kept if the schema follows its rules, and otherwise dropped and reported; and patterns."""

from typing import Any

import pytest

from nexus.conversation.parts import OutputFormat, Request, Tool
from nexus.protocols.openai_schemas import fit_schemas

WORD = {"type": "string"}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


SCHEMAS: dict[str, tuple[dict[str, Any], bool]] = {
    "every property is required": (object_of(a=WORD), True),
    "every property inside is required": (object_of(a=object_of(b=WORD)), True),
    "a closed object": (object_of(a=WORD) | {"additionalProperties": False}, True),
    "an open object": (object_of(a=WORD) | {"additionalProperties": True}, False),
    "an optional property": (object_of(a=WORD, b=WORD) | {"required": ["a"]}, False),
    "an optional property inside": (object_of(a=object_of(b=WORD) | {"required": []}), False),
    "a keyword that strict lacks": (object_of(a={"oneOf": [WORD]}), False),
    "a reference to another document": (object_of(a={"$ref": "https://x.test/schema"}), False),
}


@pytest.mark.parametrize(("schema", "kept"), SCHEMAS.values(), ids=SCHEMAS)
def test_strict_is_kept_only_if_the_schema_follows_its_rules(schema: dict[str, Any], kept: bool) -> None:
    tool, format = Tool("f", parameters=schema, strict=True), OutputFormat(schema, "n", strict=True)
    request, _, lost = fit_schemas(Request((), tools=(tool,), output_format=format))
    assert (request.tools[0].strict, request.output_format and request.output_format.strict) == (kept, kept)
    assert lost == (() if kept else ("tools.0.strict", "output_format.strict"))


@pytest.mark.parametrize(
    ("keyword", "value", "strict", "kept"),
    [
        ("pattern", r"^(?!\.)[a-z]+$", False, False),
        ("pattern", "a(?<=b)", True, False),
        ("pattern", r"^[^\p{Cc}]{1,200}$", False, False),
        ("pattern", r"^[^\0]*$", False, False),
        ("pattern", r"^\\(?<c>a)\k<c>$", False, False),
        ("pattern", r"^(?:a|b)(?P<c>d)\\p\u0041\d$", True, True),
        ("propertyNames", {"pattern": "^a"}, False, False),
        ("format", "uri", True, False),
        ("format", "uri", False, True),
        ("format", "uuid", True, True),
    ],
)
def test_what_the_vendor_rejects_of_a_text_becomes_words(keyword: str, value: str, strict: bool, kept: bool) -> None:
    word = WORD | {keyword: value, "description": "Who."}
    tool = Tool("f", parameters=object_of(to={"type": "array", "items": word}), strict=strict)
    format = OutputFormat(object_of(a=word), "n", strict=strict)
    request, _, lost = fit_schemas(Request((), tools=(tool,), output_format=format))
    told = WORD | {"description": f"Who.\n\n{{{keyword}: {value}}}"}
    assert request.tools[0].parameters["properties"]["to"]["items"] == (word if kept else told)
    assert request.tools[0].strict == strict
    places = f"tools.0.parameters.properties.to.items.{keyword}", f"output_format.schema.properties.a.{keyword}"
    assert lost == (() if kept else places)


def test_a_record_of_any_names_loses_nothing() -> None:
    """As Zod 4 writes it."""
    record = {"type": "object", "additionalProperties": WORD}
    tool = Tool("f", parameters=object_of(a={**record, "propertyNames": WORD}))
    request, _, lost = fit_schemas(Request((), tools=(tool,)))
    assert request.tools[0].parameters == object_of(a={**record, "properties": {}})
    assert lost == ()

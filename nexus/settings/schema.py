"""The JSON Schema of ``nexus.toml``, for completion and validation in editors.

It accepts every valid file, except for the Nexus 0.6 names in ``former``. Rules between settings are not part of it. If
a reader accepts another form than its type says, ``WRITTEN`` has that form.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from nexus.settings import guards, listen, price, types
from nexus.settings.header_rules import read_pattern
from nexus.settings.keys import read_expiry, read_hashes, read_secrets
from nexus.settings.llm import read_provider
from nexus.settings.provider import ProviderSettings
from nexus.settings.root import Settings
from nexus.settings.tagged import Tagged

TEXT: JsonSchemaValue = {"type": "string"}
TEMPLATE: JsonSchemaValue = {"type": "string", "pattern": r"\{\{"}
"""Accepted in place of a number, boolean or literal."""

PROCESSES: JsonSchemaValue = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": types.MOST_PROCESSES}, TEXT]}


TEXTS: JsonSchemaValue = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}


def _name(reader: Callable[..., Any]) -> str:
    return f"{reader.__module__}.{reader.__qualname__}"


WRITTEN: Mapping[str, JsonSchemaValue] = {
    _name(reader): form
    for reader, form in (
        (types.read_duration, {"anyOf": [{"type": "number", "minimum": 0}, TEXT]}),
        (types.read_size, {"anyOf": [{"type": "integer", "minimum": 1}, TEXT]}),
        (types.read_process_count, PROCESSES),
        (listen.read_addresses, TEXTS),
        (guards.star_or(guards.read_name), TEXTS),
        (price.read_dollars, {"anyOf": [{"type": "number", "minimum": 0}, TEXT]}),
        (read_expiry, {}),
        (read_hashes, TEXTS),
        (read_secrets, TEXTS),
        (read_pattern, TEXT),
    )
}
"""Qualified name of a value's reader to the schema of what users may write."""

SHORT_FORMS: Mapping[str, JsonSchemaValue] = {
    "nexus.settings.virtual.WeightedTarget._name_alone": TEXT,
    "nexus.settings.provider.ProviderSettings._named_only": {"type": "array", "items": TEXT},
}
"""Qualified name of a table's reader to the schema of a short form that users may write in its place."""


@functools.cache
def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each field, read from the source on demand. Pydantic would do so at every start, which takes
    a sixth of the start time."""
    found: dict[str, str] = {}
    for table in reversed(model.__mro__):
        if not issubclass(table, BaseModel) or table is BaseModel:
            continue
        try:
            source = inspect.getsource(table)
        except OSError:
            # A class created at runtime has no source; its fields have descriptions, or a base class has docstrings.
            continue
        (definition,) = ast.parse(textwrap.dedent(source)).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in pairwise(definition.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    described = {name: info.description or found.get(name) for name, info in model.model_fields.items()}
    return {name: text for name, text in described.items() if text}


def _or_template(method: str) -> Any:
    """A schema method that accepts what pydantic's does, or a template."""

    def schema(self: GenerateJsonSchema, of: core_schema.CoreSchema) -> JsonSchemaValue:
        return {"anyOf": [getattr(GenerateJsonSchema, method)(self, of), TEMPLATE]}

    return schema


class _Generator(GenerateJsonSchema):
    """Describes what users write, rather than the parsed value as pydantic does."""

    int_schema, float_schema, bool_schema, literal_schema = map(
        _or_template, ("int_schema", "float_schema", "bool_schema", "literal_schema")
    )

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        name = _name(schema["function"]["function"])
        if name in WRITTEN:
            return WRITTEN[name]
        inner = super().function_before_schema(schema)
        return (
            {"anyOf": [inner, SHORT_FORMS[name]]}
            if name in SHORT_FORMS and schema["schema"]["type"] == "dict"
            else inner
        )

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        table, inner = super().model_schema(schema), schema["schema"]
        model: type[BaseModel] = schema["cls"]
        for name, text in docstrings(model).items():
            field = model.model_fields[name]
            if isinstance(shown := table.get("properties", {}).get(field.alias or name), dict):
                shown.setdefault("description", text)
        if inner["type"] != "function-before" or (name := _name(inner["function"]["function"])) not in SHORT_FORMS:
            return table
        return {"anyOf": [table, SHORT_FORMS[name]]}

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        reader = schema["function"]["function"]
        table = getattr(reader, "__self__", None)
        if isinstance(table, type) and issubclass(table, types.Table):
            return self.generate_inner(table.__pydantic_core_schema__)
        return WRITTEN[_name(reader)]

    def function_wrap_schema(self, schema: core_schema.WrapValidatorFunctionSchema) -> JsonSchemaValue:
        reader = schema["function"]["function"]
        base = ProviderSettings if reader is read_provider else getattr(reader, "__self__", None)
        if not (isinstance(base, type) and issubclass(base, Tagged)):
            return super().function_wrap_schema(schema)
        return {"anyOf": [self._variant(base.tag, *variant) for variant in base.variants().items()]}

    def _variant(self, tag: str, kind: str, variant: type[types.Table]) -> JsonSchemaValue:
        """The table of one ``kind``, with its tag as a constant."""
        table = self.generate_inner(variant.__pydantic_core_schema__)
        return {"allOf": [table], "properties": {tag: {"const": kind}}, "required": [tag]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leaves out the default, because its parsed form is not what users write."""
        return self.generate_inner(schema["schema"])


def json_schema() -> JsonSchemaValue:
    """The JSON Schema of the settings file (draft 2020-12)."""
    schema = Settings.model_json_schema(schema_generator=_Generator)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nexus.toml", "required": []}

"""``python -m tools.docs.reference``: the settings reference, from the settings models; docs/conf.py writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args

from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nexus.limits.quota import SECOND
from nexus.limits.refusal import interval_words
from nexus.settings import Settings
from nexus.settings.schema import docstrings
from nexus.settings.tagged import Tagged
from nexus.settings.types import Table, read_duration, read_size

HEAD = """\
Settings
========

Every setting of ``nexus.toml`` by table, with its default. ``P`` stands for the name of a provider, ``M`` for a model
alias, ``NAME`` for any other name that you choose. ``{{ env.X }}`` in a value is replaced with the environment
variable X, ``{{ file "PATH" }}`` with the content of a file. Durations are written like ``"30s"`` or ``"1m30s"``,
sizes like ``"64MiB"``. ``nexus config`` prints the same as one annotated file (also in ``config/nexus.toml``);
``nexus schema`` prints the JSON Schema for editors.

"""

NAMES = {"providers": "P", "models": "M"}
"""Placeholder for the user's key in a table of tables, by the setting that holds the table."""


@dataclass(frozen=True)
class Section:
    """One table of the file; ``kind`` is the value of the key that selects the variant, or ""."""

    path: str
    table: type[Table]
    kind: str = ""

    @property
    def title(self) -> str:
        return f"[{self.path}]" + (self._with() if self.kind else "")

    def _with(self) -> str:
        return f', {self.table.tag} = "{self.kind}"' if issubclass(self.table, Tagged) else ""


def sections(path: str, table: type[Table], kind: str = "", without: frozenset[str] = frozenset()) -> Iterator[Section]:
    """A table and all nested tables, each once; ``without`` names settings that another section documents."""
    if path:
        yield Section(path, table, kind)
    for name, field in table.model_fields.items():
        if name in without:
            continue
        for inner, many in _tables(field.annotation):
            below = ".".join(filter(None, (path, name, NAMES.get(name, "NAME") if many else "")))
            yield from _variants(below, inner)


def _variants(path: str, table: type[Table]) -> Iterator[Section]:
    yield from sections(path, table)
    if issubclass(table, Tagged):
        shared = frozenset(table.model_fields)
        for kind, variant in table.variants().items():
            yield from sections(path, variant, kind, shared)


def _tables(annotation: Any, many: bool = False) -> Iterator[tuple[type[Table], bool]]:
    """The tables that a field holds, and whether the user chooses their keys."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation, many
    for argument in get_args(annotation):
        yield from _tables(argument, many or getattr(annotation, "__origin__", None) is dict)


def reference() -> str:
    """The page as reStructuredText."""
    return HEAD + "\n".join(_section(section) for section in sections("", Settings) if _fields(section))


def _fields(section: Section) -> dict[str, FieldInfo]:
    """The fields that this section documents."""
    fields = dict(section.table.model_fields)
    if section.kind:
        # The table of all kinds has a section of its own; a class between may be shared by several kinds.
        [*_, shared] = (base for base in section.table.__mro__ if issubclass(base, Tagged) and base is not Tagged)
        fields = {
            name: field for name, field in fields.items() if name not in shared.model_fields or name == shared.tag
        }
    return fields


def _section(section: Section) -> str:
    lines = [section.title, "-" * len(section.title), "", *_paragraph(section.table.__doc__ or ""), ""]
    texts = docstrings(section.table)
    for name, field in _fields(section).items():
        words = _escaped(" ".join(texts.get(name, "").split()))
        lines += [f"``{field.alias or name}``{_default(field)}", f"    {words}", ""]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """The text with stars outside of literals escaped, so that they start no emphasis."""
    return "``".join(part if index % 2 else part.replace("*", r"\*") for index, part in enumerate(text.split("``")))


def _paragraph(text: str) -> list[str]:
    return [_escaped(line.strip()) for line in text.strip().split("\n\n")[0].splitlines()]


def _default(field: FieldInfo) -> str:
    """The field's default, in TOML."""
    if field.is_required():
        return " (required)"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or isinstance(value, Table | SecretStr) or value in ((), {}):
        return ""
    return f" = ``{_written(value, field)}``"


def _written(value: Any, field: FieldInfo) -> str:
    readers = {marker.func for marker in _markers(field) if isinstance(marker, BeforeValidator)}
    match value:
        case bool():
            return str(value).lower()
        case float() if read_duration in readers:
            return f'"{interval_words(round(value * SECOND))}"' if value else '"0s"'
        case int() if read_size in readers and value % 2**20 == 0:
            return f'"{value // 2**20}MiB"'
        case str() | PurePath():
            return f'"{value}"'
        case tuple() | list():
            return f"[{', '.join(_written(str(one), field) for one in value)}]"
        case _:
            return str(value)


def _markers(field: FieldInfo) -> Iterator[Any]:
    """The metadata annotated to a field's type, or to the members of its union."""
    yield from field.metadata
    for argument in get_args(field.annotation):
        yield from getattr(argument, "__metadata__", ())


if __name__ == "__main__":
    sys.stdout.write(reference())

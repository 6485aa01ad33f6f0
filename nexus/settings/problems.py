"""Problems of a settings file: their messages name the location and never the value.

Law: a message is built from the kind of error and from what the settings classes allow, never from the input, because
any input can be a secret.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core import ErrorDetails

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.settings.files import Stamps
from nexus.settings.types import KeyPath, Table, did_you_mean

if TYPE_CHECKING:
    from nexus.settings.excerpt import Excerpt

_BARE = pattern(r"[A-Za-z0-9_-]+")

NO_TABLE = "must be a table"

WORDS: Mapping[str, str] = {
    "literal_error": "must be {expected}",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "missing": "is missing",
    "string_type": "must be a string, in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "model_type": NO_TABLE,
    "model_attributes_type": NO_TABLE,
    "dict_type": NO_TABLE,
    "list_type": "must be an array, in brackets",
    "tuple_type": "must be an array, in brackets",
    "path_type": "must be a path",
    "path_not_file": "names no file that exists",
    "rule": "{text}",
    "value_error": "{error}",
}


MOST_SHOWN = 20
"""Maximum problems shown at once: one mistake can cause a problem for every key or model."""

DOTTED = "a name with a dot needs quotes"
ABOUT_A_KEY = ("unknown key", DOTTED)
"""Prefixes of messages that are about a key and not about its value."""


@dataclass(frozen=True)
class Problem:
    """One problem; ``line`` counts from 1 and is None if unknown, ``excerpt`` shows that line."""

    path: KeyPath
    line: int | None
    message: str
    file: str
    excerpt: Excerpt | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, dotted(self.path), self.message) if part)


class SettingsError(Exception):
    """The settings are invalid. ``problems`` are all of them; ``files`` are the files that were read."""

    def __init__(self, problems: Iterable[Problem], files: Stamps | None = None) -> None:
        self.problems = tuple(problems)
        self.files = files or {}
        super().__init__("\n".join(map(str, self.problems)))


class CannotServe(Exception):
    """Valid settings cannot be served on this machine, because of the setting at ``path``: a package is missing, for
    example, or a port is in use. No secret is in the message."""

    def __init__(self, path: KeyPath, message: str) -> None:
        self.path, self.message = path, message
        super().__init__(f"{dotted(path)}: {message}")


def dotted(path: KeyPath) -> str:
    """A path as TOML would write it, array positions in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # json.dumps escapes control characters, which must not reach a terminal.
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else json.dumps(part))
    return text


def wording(error: ErrorDetails, known: Collection[str]) -> str:
    """The message for one validation error; ``known`` are the valid keys of its table."""
    if error["type"] == "extra_forbidden":
        names = sorted(known)
        return f"unknown key{did_you_mean(str(error['loc'][-1]), names) or '; known are: ' + ', '.join(names)}"
    words = WORDS.get(error["type"], f"is not valid ({error['type']})").format_map(error.get("ctx", {}))
    # pydantic puts the valid values between single quotes.
    return words.replace("'", '"') if error["type"] == "literal_error" else words


def known_keys(table: type[Table], data: Any, path: KeyPath) -> tuple[str, ...]:
    current: type[Table] | None = table.variant(data)
    annotation: Any = None
    for part in path:
        if current is not None:
            info = current.model_fields.get(str(part))
            annotation = info.annotation if info else None
        else:
            arguments = [argument for argument in get_args(annotation) if argument is not ...]
            annotation = next(reversed(arguments), None)
        data = _item(data, part)
        current = _table_in(annotation)
        current = current.variant(data) if current else None
    return tuple(current.model_fields) if current else ()


def _item(data: Any, part: str | int) -> Any:
    if isinstance(data, list) and isinstance(part, int):
        return data[part] if part < len(data) else None
    return data.get(part) if isinstance(data, dict) else None


def _table_in(annotation: Any) -> type[Table] | None:
    """The table class in an annotation, found through Annotated and unions but not through containers."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation if issubclass(annotation, Table) else None
    if getattr(annotation, "__origin__", None) in (dict, list, tuple):
        return None
    return next((found for found in map(_table_in, get_args(annotation)) if found), None)

"""Expands ``{{ env.NAME }}`` and ``{{ file "PATH" }}`` in the string values of the settings.

Law: no template engine. Anything but these forms between double braces is a problem. An expanded value is never
expanded again, no value is ever part of a message, and hostile text takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from nexus.dataclasses import dataclass, field
from nexus.late import pattern
from nexus.settings.files import Stamps, stamp
from nexus.settings.types import KeyPath

PLACEHOLDER = "placeholder"
"""Replaces a string whose template failed, so that the rest of the file can still be validated."""

HELP = 'only {{ env.NAME }}, {{ env.NAME | default("text") }} and {{ file "/path" }} are allowed between double braces'
MAX_FILE = 64 * 1024
"""Maximum bytes of a file that a template names."""

_QUOTED = r"\"[^\"]*\"|'[^']*'"
_ENV = pattern(rf"\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:\|\s*default\(\s*({_QUOTED})\s*\)\s*)?")
_FILE = pattern(rf"\s*file\s+({_QUOTED})\s*")
_TEMPLATE = pattern(rf"\{{\{{((?>(?:{_QUOTED}|\}}(?!\}})|[^\"'}}])*))(\}}\}}|.*)", re.DOTALL)
"""A template's content, in which braces may be quoted, and its end; without one, all text behind it."""


class _Fault(Exception):
    """An error in one template; the message completes a sentence that begins with the setting's path."""


@dataclass
class Expansion:
    """The expanded data, the problems as (path, message), and the stamps of the files that were read."""

    data: Any = None
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)
    files: Stamps = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sources:
    environ: Mapping[str, str]
    folder: FilePath
    files: Stamps


def expand(data: Any, environ: Mapping[str, str], folder: FilePath = FilePath()) -> Expansion:
    """Expands every string value in tables and arrays, but no keys. File paths are relative to ``folder``."""
    result = Expansion()
    result.data = _expand(data, (), _Sources(environ, folder, result.files), result.problems)
    return result


def _expand(value: Any, path: KeyPath, sources: _Sources, problems: list[tuple[KeyPath, str]]) -> Any:
    match value:
        case dict():
            return {key: _expand(item, (*path, key), sources, problems) for key, item in value.items()}
        case list():
            return [_expand(item, (*path, index), sources, problems) for index, item in enumerate(value)]
        case str() if "{{" in value:
            expanded, faults = _fill(value, sources)
            problems.extend((path, message) for message in faults)
            return PLACEHOLDER if faults else expanded
        case _:
            return value


def _fill(text: str, sources: _Sources) -> tuple[str, list[str]]:
    """The text with its templates filled in, and the distinct errors."""
    faults: dict[str, None] = {}

    def filled(template: re.Match[str]) -> str:
        try:
            return _value(template, sources)
        except _Fault as fault:
            faults[str(fault)] = None
            return ""

    return _TEMPLATE.sub(filled, text), list(faults)


def _value(template: re.Match[str], sources: _Sources) -> str:
    content = template[1]
    if template[2] != "}}":
        raise _Fault(f'a "{{{{" has no "}}}}" after it; {HELP}')
    if variable := _ENV.fullmatch(content):
        default = variable[2][1:-1] if variable[2] is not None else None
        value = sources.environ.get(variable[1], default)
        if value is None:
            raise _Fault(f"environment variable {variable[1]} is not set")
        return value
    if file := _FILE.fullmatch(content):
        path = sources.folder / file[1][1:-1]
        sources.files[path] = stamp(path)
        return _read(path)
    raise _Fault(HELP)


def _read(path: FilePath) -> str:
    """The text of a file without surrounding whitespace, which secret stores tend to add. Raises _Fault."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise _Fault(f"the file {path} cannot be read: {(error.strerror or type(error).__name__).lower()}") from None
    if len(raw) > MAX_FILE:
        raise _Fault(f"the file {path} is larger than {MAX_FILE} bytes")
    try:
        return raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _Fault(f"the file {path} is not UTF-8 text") from None

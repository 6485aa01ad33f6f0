"""``{{ env.NAME }}`` inside the string values of the settings.

Law: no template engine. Two forms are known, everything else between double braces is a problem; an expanded value is
never expanded again, and no value is ever part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]

PLACEHOLDER = "placeholder"
"""Stands in for a string whose template failed, so that the rest of the file can still be validated."""

HELP = 'only {{ env.NAME }} and {{ env.NAME | default("text") }} are known between double braces'

_QUOTED = r"\"[^\"]*\"|'[^']*'"
_TEMPLATE = re.compile(rf"\{{\{{((?:{_QUOTED}|(?!\}}\}})[^\"'])*)\}}\}}")
_FORM = re.compile(rf"\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:\|\s*default\(\s*({_QUOTED})\s*\)\s*)?")


@dataclass
class Expansion:
    """The expanded data and what went wrong on the way, as (path, message)."""

    data: Any = None
    problems: list[tuple[Path, str]] = field(default_factory=list)


def expand(data: Any, environ: Mapping[str, str]) -> Expansion:
    """Expand every string value in tables and arrays; keys are left alone."""
    result = Expansion()
    result.data = _expand(data, (), environ, result.problems)
    return result


def _expand(value: Any, path: Path, environ: Mapping[str, str], problems: list[tuple[Path, str]]) -> Any:
    match value:
        case dict():
            return {key: _expand(item, (*path, key), environ, problems) for key, item in value.items()}
        case list():
            return [_expand(item, (*path, index), environ, problems) for index, item in enumerate(value)]
        case str() if "{{" in value:
            found = [(path, message) for message in _faults(value, environ)]
            problems.extend(found)
            return PLACEHOLDER if found else _TEMPLATE.sub(lambda match: _value(match[1], environ), value)
        case _:
            return value


def _faults(text: str, environ: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a string, each variable named once."""
    unset: set[str] = set()
    for match in _TEMPLATE.finditer(text):
        form = _FORM.fullmatch(match[1])
        if form is None:
            yield HELP
        elif form[2] is None and form[1] not in environ and form[1] not in unset:
            unset.add(form[1])
            yield f"environment variable {form[1]} is not set"
    if "{{" in _TEMPLATE.sub("", text):
        yield f'a "{{{{" has no "}}}}" after it; {HELP}'


def _value(content: str, environ: Mapping[str, str]) -> str:
    form = _FORM.fullmatch(content)
    assert form is not None, "faults are looked for before anything is replaced"
    default = form[2][1:-1] if form[2] is not None else ""
    return environ.get(form[1], default)

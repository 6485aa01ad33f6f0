"""Problems of a settings file at the lines that cause them.

Separate from ``load``, because a file without problems needs none of this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from nexus.late import pattern
from nexus.settings import problems
from nexus.settings.excerpt import excerpt
from nexus.settings.hints import dotted_name, of_syntax, right_table, unnamed_table
from nexus.settings.llm import NO_MODEL
from nexus.settings.problems import Problem
from nexus.settings.root import Settings
from nexus.settings.toml_spans import Span, Spans
from nexus.settings.types import KeyPath, Location, did_you_mean

_AT_LINE = pattern(r"\s*\(at line (\d+), column (\d+)\)$")


def at_lines(locations: Iterable[Location], text: str, file: str) -> list[Problem]:
    """Problems with their lines in the text of a file, in the order of the lines."""
    spans, lines = Spans(text), text.split("\n")
    found = [(at, message, spans.find(at, key=message.startswith(problems.ABOUT_A_KEY))) for at, message in locations]
    found.sort(key=lambda one: one[2][0].line if one[2] is not None else 0)
    # Thousands may be in one line, which may be as long as the file.
    return [
        Problem(at, None, message, file)
        if where is None
        else _at_its_line(at, message, file, *where, lines if number < problems.MOST_SHOWN else None)
        for number, (at, message, where) in enumerate(found)
    ]


def _at_its_line(at: KeyPath, message: str, file: str, span: Span, depth: int, lines: Sequence[str] | None) -> Problem:
    if lines is None:
        return Problem(at, span.line, message, file)
    name = next((part for part in reversed(at[:depth]) if isinstance(part, str)), "")
    shown = excerpt(lines[span.line - 1], span, name=name, strict=message.startswith(problems.ABOUT_A_KEY))
    return Problem(at, span.line, message, file, shown)


def of_validation(error: ValidationError, data: Any) -> list[Location]:
    """Validation errors as path and message, in the order of pydantic."""
    found: dict[Location, None] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path = detail["loc"]
        # pydantic appends the step "[key]" to the path of an error in a key; the file has no such step.
        path = path[:-1] if path and path[-1] == "[key]" else path
        if detail["type"] == "extra_forbidden" and (table := right_table(path)):
            found[path, f'{problems.ABOUT_A_KEY[0]}; did you mean "{table}"?'] = None
            continue
        known = problems.known_keys(Settings, data, path[:-1])
        unknown = detail["type"] == "extra_forbidden" and not did_you_mean(str(path[-1]), known)
        name = dotted_name(data, path) if unknown else None
        words = f"{problems.DOTTED}: {name}" if name else problems.wording(detail, known)
        if words == problems.NO_TABLE and (table := unnamed_table(data, path)):
            words = f"belongs in a table with a name: [{table}]"
            if words in (message for _, message in found):
                continue
        found[path, words] = None
    return _causes(found)


def _causes(found: Collection[Location]) -> list[Location]:
    """The problems without those that only follow from a misspelt name: settings below it are not really missing."""
    misspelt = {(path[:-1], words) for path, words in found if words.startswith(problems.ABOUT_A_KEY)}
    above = any(len(table) <= 1 for table, _ in misspelt)
    return [
        (path, words)
        for path, words in found
        if not (above and words == NO_MODEL)
        and (path[:-1], f'{problems.ABOUT_A_KEY[0]}; did you mean "{path[-1] if path else ""}"?') not in misspelt
    ]


def merged(templates: list[Location], validation: list[Location]) -> list[Location]:
    """Both lists, without validation errors about the placeholder of a failed template."""
    failed = {path for path, _ in templates}
    # Placeholders in a list are alike.
    failed |= {path[:-1] for path in failed if isinstance(path[-1], int)}
    return [*templates, *((path, message) for path, message in validation if path not in failed)]


def of_syntax_error(error: ValueError, text: str, file: str) -> Problem:
    """The problem of text that is not TOML."""
    message = str(error)
    match = _AT_LINE.search(message)
    lines = text.rstrip("\n").split("\n")
    line = int(match[1]) if match else len(lines)
    reason = _AT_LINE.sub("", message)
    column = f" (column {match[2]})" if match else ""
    start = int(match[2]) - 1 if match else len(lines[-1])
    source = text.split("\n")[line - 1]
    shown = excerpt(source, Span(line, start, start + 1), name="", strict=True)
    return Problem((), line, f"is not valid TOML: {reason}{column}{of_syntax(source, reason)}", file, shown)

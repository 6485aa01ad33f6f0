"""Reads ``nexus.toml``: TOML, then templates, then validation, with every problem reported together."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nexus.late import pattern
from nexus.settings import problems
from nexus.settings.excerpt import excerpt
from nexus.settings.files import Stamps, stamp
from nexus.settings.former import translate
from nexus.settings.hints import dotted_name, of_syntax, right_table, unnamed_table
from nexus.settings.leaves import named_files
from nexus.settings.llm import NO_MODEL
from nexus.settings.problems import Problem, SettingsError
from nexus.settings.root import Origin, Settings
from nexus.settings.templates import expand
from nexus.settings.toml_spans import Span, Spans
from nexus.settings.types import KeyPath, Location, did_you_mean
from nexus.settings.usage import state_folder, store_of

_AT_LINE = pattern(r"\s*\(at line (\d+), column (\d+)\)$")


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file, with templates filled in from ``environ``. Raises SettingsError."""
    files = {path: stamp(path)}
    try:
        return _load(path, environ, files)
    except SettingsError as error:
        raise SettingsError(error.problems, files) from None
    except RecursionError:
        raise SettingsError([Problem((), None, "is nested too deeply", str(path))], files) from None


def _load(path: Path, environ: Mapping[str, str], files: Stamps) -> Settings:
    """Adds all other files that it reads to ``files``."""
    file = str(path)
    raw = _read(path)
    text = _decode(raw, file)
    expansion = expand(_parse(text, file), environ, path.parent)
    files |= expansion.files
    translated = translate(expansion.data)
    problems = [*expansion.problems, *translated.problems]
    try:
        settings = Settings.model_validate(translated.data)
    except ValidationError as error:
        found = _merge(problems, _locations(error, translated.data))
    else:
        found = problems
        if not found:
            files |= {named: stamp(named) for _, named in named_files(settings)}
            store = store_of(settings.usage.store, path, state_folder(environ))
            digest = hashlib.sha256(raw).hexdigest()
            return settings.of(Origin(path.stat().st_mtime, digest[:12], files, store, tuple(translated.notes)))
    raise SettingsError(_located(found, text, file))


def located(path: Path | None, locations: Iterable[Location]) -> list[Problem]:
    """Problems with the lines that cause them, in file order; ``path`` None is for settings without a file."""
    if path is None:
        return [Problem((), None, f"{problems.dotted(at)}: {message}", "nexus") for at, message in locations]
    return _located(locations, _decode(_read(path), str(path)), str(path))


def _located(locations: Iterable[Location], text: str, file: str) -> list[Problem]:
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


def demo_settings() -> Settings:
    """The settings without a file: the built-in echo provider, which needs no key and calls no vendor."""
    return Settings.model_validate(
        {"llm": {"providers": {"demo": {"type": "echo", "models": {"echo": {}, "echo-tools": {}}}}}}
    )


def _locations(error: ValidationError, data: Any) -> list[Location]:
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


def _merge(templates: list[Location], validation: list[Location]) -> list[Location]:
    """Both lists, without validation errors about the placeholder of a failed template."""
    failed = {path for path, _ in templates}
    # Placeholders in a list are alike.
    failed |= {path[:-1] for path in failed if isinstance(path[-1], int)}
    return [*templates, *((path, message) for path, message in validation if path not in failed)]


MAX_SIZE = 16 * 2**20
"""Maximum bytes of a settings file: reading a device may never end."""


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        raise SettingsError([Problem((), None, "does not exist", str(path))]) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SettingsError([Problem((), None, f"cannot be read: {reason}", str(path))]) from error
    if len(raw) > MAX_SIZE:
        raise SettingsError([Problem((), None, f"is larger than {MAX_SIZE} bytes", str(path))])
    return raw


def _decode(raw: bytes, file: str) -> str:
    try:
        # Editors on Windows write a byte order mark, which TOML does not allow.
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError([Problem((), line, "is not UTF-8 text", file)]) from None


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        message = str(error)
        match = _AT_LINE.search(message)
        lines = text.rstrip("\n").split("\n")
        line = int(match[1]) if match else len(lines)
        reason = _AT_LINE.sub("", message)
        column = f" (column {match[2]})" if match else ""
        start = int(match[2]) - 1 if match else len(lines[-1])
        source = text.split("\n")[line - 1]
        shown = excerpt(source, Span(line, start, start + 1), name="", strict=True)
        words = f"is not valid TOML: {reason}{column}{of_syntax(source, reason)}"
        raise SettingsError([Problem((), line, words, file, shown)]) from None

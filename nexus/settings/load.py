"""Reads ``nexus.toml``: TOML, then templates, then validation, with every problem reported together."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nexus.settings.files import Stamps, stamp
from nexus.settings.former import translate
from nexus.settings.leaves import named_files
from nexus.settings.problems import Problem, SettingsError, dotted
from nexus.settings.root import Origin, Settings
from nexus.settings.templates import expand
from nexus.settings.types import Location
from nexus.settings.usage import state_folder, store_of


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
        from nexus.settings.locating import merged, of_validation

        problems = merged(problems, of_validation(error, translated.data))
    else:
        if not problems:
            files |= {named: stamp(named) for _, named in named_files(settings)}
            store = store_of(settings.usage.store, path, state_folder(environ))
            digest = hashlib.sha256(raw).hexdigest()
            return settings.of(Origin(path.stat().st_mtime, digest[:12], files, store, tuple(translated.notes)))
    raise SettingsError(_at_lines(problems, text, file))


def located(path: Path | None, locations: Iterable[Location]) -> list[Problem]:
    """Problems with the lines that cause them, in file order; ``path`` None is for settings without a file."""
    found = list(locations)
    if path is None:
        return [Problem((), None, f"{dotted(at)}: {message}", "nexus") for at, message in found]
    return _at_lines(found, _decode(_read(path), str(path)), str(path)) if found else []


def _at_lines(locations: Iterable[Location], text: str, file: str) -> list[Problem]:
    # Imported here, because a file without problems does not need it.
    from nexus.settings.locating import at_lines

    return at_lines(locations, text, file)


def demo_settings() -> Settings:
    """The settings without a file: the built-in echo provider, which needs no key and calls no vendor."""
    return Settings.model_validate(
        {"llm": {"providers": {"demo": {"type": "echo", "models": {"echo": {}, "echo-tools": {}}}}}}
    )


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
        raise SettingsError([Problem((), line, "is not UTF-8 text; save the file as UTF-8", file)]) from None


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        from nexus.settings.locating import of_syntax_error

        raise SettingsError([of_syntax_error(error, text, file)]) from None

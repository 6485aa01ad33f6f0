"""The contents of the files in ``deploy/``, read once for all of their tests."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from nexus.settings import Settings, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MARGIN = 5.0
"""Seconds that a supervisor waits at least after everything that Nexus waits for."""


def documents(file: Path) -> list[Any]:
    return list(yaml.safe_load_all(file.read_text()))


def stops_within(settings: Settings) -> float:
    return settings.server.drain_delay + settings.server.drain_timeout


def loaded(text: str, folder: Path, environ: dict[str, str]) -> Settings:
    (folder / "nexus.toml").write_text(text)
    return load(folder / "nexus.toml", environ)


def names_of_environment(text: str) -> set[str]:
    """The environment variables that a nexus.toml reads."""
    return set(re.findall(r"\{\{\s*env\.(\w+)", text))


@dataclass(frozen=True)
class Step:
    """An instruction of a Dockerfile, in one line."""

    word: str
    text: str
    stage: int


def steps(text: str) -> list[Step]:
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found: list[Step] = []
    stage = -1
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Step(word, rest.strip(), stage))
    return found

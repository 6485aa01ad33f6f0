"""What pages name of Nexus exists: settings, headers and metrics."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docutils.nodes import literal  # type: ignore[import-untyped]
from pydantic import BaseModel

from nexus.settings import Settings
from nexus.settings.provider import ProviderSettings
from nexus.settings.schema import json_schema
from nexus.telemetry.metrics.catalog import METRICS
from tests.docs.pages import PAGES, ROOT, tree_of

SCHEMA: dict[str, Any] = json_schema()
TABLES = tuple(SCHEMA["properties"])
SOURCE = "\n".join(file.read_text() for folder in ("nexus", "providers") for file in (ROOT / folder).rglob("*.py"))
OTHERS = {"server.address"}
"""Attributes of OpenTelemetry."""

OF_OLD_NEXUS = "coming-from-nexus"
"""The page that names settings which no longer exist."""


def inline(page: Path) -> Iterator[str]:
    for node in tree_of(page).findall(literal):
        yield node.astext()


def exists(path: list[str], node: dict[str, Any]) -> bool:
    """Whether the schema has this key; a name that the user chooses may be anything."""
    if "$ref" in node:
        return exists(path, SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
    choices = [choice for kind in ("anyOf", "oneOf", "allOf") for choice in node.get(kind, ())]
    if any(exists(path, choice) for choice in choices):
        return True
    if not path:
        return not choices
    found = node.get("properties", {}).get(path[0], node.get("additionalProperties"))
    if node.get("type") == "array":
        return exists(path, node["items"])
    return isinstance(found, dict) and exists(path[1:], found)


def settings_in(text: str) -> Iterator[str]:
    names = "|".join(TABLES)
    yield from re.findall(rf"^\[*((?:{names})(?:\.[\w-]+)+)", text)
    yield from re.findall(rf"^\[+((?:{names}))\]+", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_exist(page: Path) -> None:
    if page.stem != OF_OLD_NEXUS:
        named = {name for text in inline(page) for name in settings_in(text)}
        assert {name for name in named if not exists(name.split("."), SCHEMA)} <= OTHERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_headers_exist(page: Path) -> None:
    named = {name for text in inline(page) for name in re.findall(r"x-nexus-[a-z-]*[a-z]", text)}
    assert {name for name in named if f'"{name}"' not in SOURCE.lower()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_metrics_exist(page: Path) -> None:
    known = {metric.name for metric in METRICS}
    named = {name for text in inline(page) for name in re.findall(r"\bnexus_[a-z_]+", text)}
    assert {name for name in named if re.sub("_(total|bucket)$", "", name) not in known} == set()


def default_of(name: str) -> object:
    """The default of a setting, such as ``server.ping_interval`` or ``llm.providers.P.timeouts.idle``."""
    first, *path = name.removeprefix("llm.providers.P.").split(".")
    kind: type[BaseModel] = ProviderSettings if name.startswith("llm.providers.P.") else Settings
    value = kind.model_fields[first].get_default(call_default_factory=True)
    for key in path:
        value = getattr(value, key)
    return value


def test_the_table_of_timeouts_has_the_defaults() -> None:
    rows = re.findall(r"^``([\w.]+)``\s+(\d+) (s|h) ", (ROOT / "docs/operations.rst").read_text(), re.MULTILINE)
    assert len(rows) > 10
    told = {name: float(number) * (3600 if unit == "h" else 1) for name, number, unit in rows}
    assert told == {name: default_of(name) for name in told}

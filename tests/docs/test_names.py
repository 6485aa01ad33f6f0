"""What pages name of Nexus exists: settings, headers, metrics and tools."""

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils.nodes import literal  # type: ignore[import-untyped]
from pydantic import BaseModel

from nexus.settings import Settings
from nexus.settings.provider import ProviderSettings
from nexus.settings.schema import json_schema
from nexus.telemetry.metrics.catalog import METRICS
from tests.docs.pages import PAGES, ROOT, tree_of

schema = cache(json_schema)
OTHERS = {"server.address"}
"""Attributes of OpenTelemetry."""

OF_OLD_NEXUS = "coming-from-nexus"
"""The page that names settings which no longer exist."""


def inline(page: Path) -> Iterator[str]:
    for node in tree_of(page).findall(literal):
        yield node.astext()


def unknown(find: Callable[[str], Collection[str]], known: Callable[[str], bool]) -> dict[str, set[str]]:
    """By page, the names found in its literals that do not exist."""
    named = {page.stem: {name for text in inline(page) for name in find(text)} for page in PAGES}
    assert any(named.values())
    return {page: wrong for page, names in named.items() if (wrong := {name for name in names if not known(name)})}


def exists(path: list[str], node: dict[str, Any]) -> bool:
    """Whether the schema has this key; a name that the user chooses may be anything."""
    if "$ref" in node:
        return exists(path, schema()["$defs"][node["$ref"].rpartition("/")[2]])
    choices = [choice for kind in ("anyOf", "oneOf", "allOf") for choice in node.get(kind, ())]
    if any(exists(path, choice) for choice in choices):
        return True
    if not path:
        return not choices
    found = node.get("properties", {}).get(path[0], node.get("additionalProperties"))
    if node.get("type") == "array":
        return exists(path, node["items"])
    return isinstance(found, dict) and exists(path[1:], found)


def settings_in(text: str) -> list[str]:
    names = "|".join(schema()["properties"])
    keys: list[str] = re.findall(rf"^\[*((?:{names})(?:\.[\w-]+)+)", text)
    return keys + re.findall(rf"^\[+((?:{names}))\]+", text)


def test_settings_that_pages_name_exist() -> None:
    wrong = unknown(settings_in, lambda name: name in OTHERS or exists(name.split("."), schema()))
    wrong.pop(OF_OLD_NEXUS)
    assert wrong == {}


def test_headers_that_pages_name_exist() -> None:
    source = "".join(file.read_text() for folder in ("nexus", "providers") for file in (ROOT / folder).rglob("*.py"))
    known = set(re.findall(r'"(x-nexus-[a-z-]+)"', source.lower()))
    assert unknown(lambda text: re.findall(r"x-nexus-[a-z-]*[a-z]", text), known.__contains__) == {}


def test_metrics_that_pages_name_exist() -> None:
    known = {metric.name for metric in METRICS}
    named = unknown(
        lambda text: re.findall(r"\bnexus_[a-z_]+", text), lambda name: re.sub("_(total|bucket)$", "", name) in known
    )
    assert named == {}


def test_tools_that_pages_name_exist() -> None:
    named = unknown(
        lambda text: re.findall(r"python3? -m (tools[\w.]*)", text), lambda name: find_spec(name) is not None
    )
    assert named == {}


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

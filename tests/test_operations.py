"""docs/operations.rst, deployment.rst and errors.rst against the code: fields of the log, settings, kinds, messages."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from nexus import errors
from nexus.errors import NexusError
from tests import log_fields

ROOT = Path(__file__).parents[1]
PAGE = "".join((ROOT / "docs" / name).read_text() for name in ("operations.rst", "deployment.rst", "errors.rst"))
WORDS = " ".join(PAGE.split())


def between(start: str, end: str) -> str:
    return PAGE.split(f".. {start}\n", 1)[1].split(f".. {end}\n", 1)[0]


TABLES = {
    "access": (between("access fields", "attempt fields"), log_fields.ACCESS),
    "attempt": (between("attempt fields", "end of fields"), log_fields.ATTEMPT),
}


@pytest.mark.parametrize(("table", "fields"), TABLES.values(), ids=TABLES.keys())
def test_every_log_field_is_documented_in_order(table: str, fields: tuple[str, ...]) -> None:
    named = re.findall(r"^``(\w+)`` ", table, re.MULTILINE)
    assert [name for name in named if name in fields] == list(fields)


# -- messages ------------------------------------------------------------------------------------------------------

OURS = {name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, NexusError)}
KINDS = {kind.kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NexusError)}


def test_every_kind_of_error_has_its_anchor() -> None:
    named = re.findall(r"^_`(\w+)`", between("kinds", "end of kinds"), re.MULTILINE)
    assert set(named) == KINDS
    assert len(named) == len(KINDS)


SHORTEST = 8
"""Letters of a piece of a message that can be looked for."""

ELSEWHERE = {"protocols", "settings", "cli", "models", "json_schema", "limits"}
"""Folders whose messages are about a field or a file, name it, and are told by their pattern only."""


def sources(names: Iterable[str]) -> Iterator[tuple[Path, ast.AST]]:
    """The modules that may call one of these; parsing all of them takes seconds."""
    called = re.compile(rf"\b(?:{'|'.join(names)})(?:\.about)?\(")
    for folder in ("nexus", "providers"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text()
            if called.search(text):
                yield file, ast.parse(text)


def pieces_of(node: ast.expr) -> list[str]:
    """The constant parts of a text."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return [text for part in parts if isinstance(part, ast.Constant) and (text := _trimmed(str(part.value)))]


def _trimmed(text: str) -> str:
    text = " ".join(text.split()).strip(" :;(),")
    return text if len(text) >= SHORTEST else ""


def messages_of_the_code() -> Iterator[list[str]]:
    """The messages of our errors that are created from a literal text."""
    for file, tree in sources(OURS):
        if ELSEWHERE & set(file.relative_to(ROOT).parts):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            about = isinstance(node.func, ast.Attribute) and node.func.attr == "about"
            made = getattr(node.func, "value", None) if about else node.func
            if getattr(made, "attr", getattr(made, "id", "")) in OURS:
                yield pieces_of(node.args[about])


def test_an_error_that_waiting_helps_says_what_to_do() -> None:
    found = [
        str(text.value)
        for _, tree in sources(["Overloaded"])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Overloaded"
        for text in node.args[:1]
        if isinstance(text, ast.Constant)
    ]
    assert len(found) > 10
    assert [text for text in found if not re.search("[;:] ", text)] == []


def test_every_error_message_of_ours_is_documented() -> None:
    found = [pieces for pieces in messages_of_the_code() if pieces]
    assert len(found) > 30
    assert [pieces for pieces in found if not all(piece in WORDS for piece in pieces)] == []

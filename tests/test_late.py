"""Lazily compiled patterns behave like those of ``re``, and every pattern in the source compiles."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nexus.late import pattern

ROOT = Path(__file__).parents[1]


def test_a_late_pattern_behaves_like_a_compiled_one() -> None:
    late, compiled = pattern("(A)+", re.IGNORECASE), re.compile("(A)+", re.IGNORECASE)
    for _ in "twice":
        assert late.sub("-", "Baab") == compiled.sub("-", "Baab") == "B-b"
        assert [found[0] for found in late.finditer("a aa")] == ["a", "aa"]
        assert (late.fullmatch("aab"), late.groups, late.pattern) == (None, 1, "(A)+")


def test_a_late_pattern_is_compiled_once_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    compiled = re.compile

    def counted(*arguments: Any) -> re.Pattern[str]:
        made.append(arguments[0])
        return compiled(*arguments)

    monkeypatch.setattr(re, "compile", counted)
    late = pattern("a+")
    assert not made
    assert late.search("baab")
    assert late.search("baab")
    assert made == ["a+"]


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for path in sorted((ROOT / "nexus").glob("**/*.py")) + sorted((ROOT / "providers").glob("**/*.py")):
        folder = path.relative_to(ROOT)
        if "nexus.late import" in path.read_text() and "nexus/providers" not in str(folder):
            name = ".".join(folder.with_suffix("").parts).removesuffix(".__init__")
            module = import_module(name if name.startswith("nexus") else f"nexus.{name}")
            yield from ((f"{name}.{key}", one) for key, one in vars(module).items() if type(one) is pattern)


def test_every_pattern_can_be_compiled() -> None:
    named = dict(patterns())
    assert len(named) > 100
    for one in named.values():
        assert one.groups >= 0

"""A value class is what a frozen dataclass is, in all that can be seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nexus.valueclass import valueclass


def made(decorator: Any) -> Any:
    @decorator(frozen=True, slots=True)
    class Value:
        name: str
        key: str = field(default="", repr=False)
        place: int = field(default=0, compare=False)

    @decorator(frozen=True, slots=True)
    class Own:
        name: str

        def __repr__(self) -> str:
            return "mine"

        def __hash__(self) -> int:
            return 7

    @decorator(frozen=True, slots=True)
    class Empty: ...

    @decorator(frozen=True, slots=True, repr=False, eq=False)
    class Itself:
        name: str

    classes: list[Any] = [Value, Own, Empty, Itself]
    value_of, own, empty, itself = classes
    value = value_of("a", "secret", 1)
    return [
        repr(value).rpartition(".")[2],
        [value == other for other in (replace(value), value_of("a", "secret", 2), value_of("b", "secret", 1), "a")],
        len({value, replace(value, place=3), replace(value, key="x")}),
        [repr(own("a")), hash(own("a")), own("a") == own("a"), own("a") == own("b")],
        empty() == empty(),
        hash(empty()) == hash(empty()),
        itself("a") == itself("a"),
        repr(itself("a")).startswith("<"),
        hasattr(value, "__dict__"),
    ]


def test_a_value_looks_as_a_dataclass_does() -> None:
    assert made(valueclass) == made(dataclass)

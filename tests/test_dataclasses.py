"""Our dataclasses behave like those of the standard library in every visible respect."""

import dataclasses
from dataclasses import field, replace
from typing import Any

import pytest

from nexus.dataclasses import dataclass
from nexus.dataclasses import replace as changed


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

    @decorator(frozen=True, slots=True, kw_only=True)
    class Derived(Value):
        more: list[int] = field(default_factory=list, hash=False)
        sum: int = field(default=0, init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "sum", sum(self.more))

    @decorator
    class Mutable:
        count: int = 0

    classes: list[Any] = [Value, Own, Empty, Itself, Derived, Mutable]
    value_of, own, empty, itself, derived, mutable = classes
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
        [repr(one).rpartition(".")[2] for one in (derived("a", more=[1, 2]), derived("a"), derived(key="k", name="b"))],
        derived("a", more=[1]) == derived("a", more=[1]),
        [mutable(1) == mutable(1), mutable() == mutable(1), mutable.__hash__],
        [refusal(derived), refusal(value_of, "a", nothing=1), refusal(derived, "a", "b", 1, [2])],
    ]


def refusal(cls: Any, *values: object, **named: object) -> str:
    with pytest.raises(TypeError) as caught:
        cls(*values, **named)
    return str(caught.value)


def test_a_value_looks_like_a_standard_dataclass() -> None:
    assert made(dataclass) == made(dataclasses.dataclass)


@pytest.mark.parametrize("decorator", [dataclass, dataclasses.dataclass])
def test_a_value_changes_like_a_standard_dataclass(decorator: Any) -> None:
    change: Any = changed

    @decorator(frozen=True)
    class One:
        name: str

    @decorator(frozen=True, kw_only=True)
    class More(One):
        place: int = 0
        made: str = field(default="", init=False)

    classes: list[Any] = [One, More]
    one, more = classes
    assert change(one("a"), name="b") == one("b")
    assert change(more(name="a", place=1), name="b") == more(name="b", place=1)
    with pytest.raises(TypeError):
        change(one("a"), nothing=1)


def test_fields_are_created_once_on_first_use() -> None:
    @dataclass(frozen=True, slots=True)
    class Value:
        name: str
        more: list[int] = field(default_factory=list)

    late = [vars(Value)[name] for name in ("__dataclass_fields__", "__match_args__")]
    value_of: Any = Value
    names, arguments = dataclasses.fields(value_of), value_of.__match_args__
    assert ([one.name for one in names], arguments) == (["name", "more"], ("name", "more"))
    # A thread that asked concurrently and waited.
    assert [one.__get__(None, Value) for one in late] == [{one.name: one for one in names}, arguments]
    assert dataclasses.fields(value_of) == names
    assert value_of("a") == value_of("a", [])

"""Converted schemas are cached: only the same bytes give the same result."""

from typing import Any

import pytest

from nexus.protocols.json_schema.remembered import LARGEST, remembered
from nexus.wire import Json, encode

OTHERS: dict[str, tuple[Json, Json]] = {
    "another order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "a number and a boolean": ({"default": 1}, {"default": True}),
    "a whole number and a fraction": ({"minimum": 0}, {"minimum": 0.0}),
    "null and an empty object": (None, {}),
}


class Maker:
    """Counts how often it is called, and returns what it was given."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, schema: Json, about: str) -> Any:
        self.asked += 1
        return schema, about


def test_the_same_bytes_are_converted_once() -> None:
    maker = Maker()
    make = remembered(maker)
    assert make({"type": "object"}, "tools.0") is make({"type": "object"}, "tools.0")
    assert maker.asked == 1


@pytest.mark.parametrize("case", OTHERS)
def test_values_that_python_considers_equal_are_kept_apart(case: str) -> None:
    make = remembered(Maker())
    one, other = OTHERS[case]
    assert encode(make(one, "")[0]) == encode(one)
    assert encode(make(other, "")[0]) == encode(other)


def test_the_path_is_part_of_the_key() -> None:
    make = remembered(Maker())
    assert make({}, "tools.0")[1] == "tools.0"
    assert make({}, "tools.1")[1] == "tools.1"


def test_large_schemas_are_not_cached() -> None:
    maker = Maker()
    make = remembered(maker)
    large = {"description": "x" * LARGEST}
    assert make(large, "") == make(large, "") == (large, "")
    assert maker.asked == 2


def test_errors_are_not_cached() -> None:
    def refuse(schema: Json, about: str) -> None:
        raise ValueError(about)

    make = remembered(refuse)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"tools\.0"):
            make({}, "tools.0")

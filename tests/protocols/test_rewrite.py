"""Removing members from raw JSON: nothing else changes, wherever they are and however the text is written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.protocols.rewrite import ANY, REMOVE, Judge, Rules, rewrite


def gone(value: bytes) -> bytes | None:
    return REMOVE


def nothing() -> bytes:
    return b'"new":0'


CASES: dict[str, tuple[bytes, Rules, bytes]] = {
    "first": (b'{"a": 1, "b": 2}', {"a": gone}, b'{"new":0,"b": 2}'),
    "last": (b'{"b": 2 , "a": 1 }', {"a": gone}, b'{"new":0,"b": 2 }'),
    "middle": (b'{"b": 2, "a": 1, "c": 3}', {"a": gone}, b'{"new":0,"b": 2, "c": 3}'),
    "the only one": (b' {"a": 1} ', {"a": gone}, b' {"new":0} '),
    "every place of a repeated key": (b'{"a":1,"b":2,"a":3,"c":4,"a":5}', {"a": gone}, b'{"new":0,"b":2,"c":4}'),
    "first two": (b'{"a":1,\n"a":2,\n"b":3}', {"a": gone}, b'{"new":0,"b":3}'),
    "written with escapes": (b'{"\\u0061":1,"b":2}', {"a": gone}, b'{"new":0,"b":2}'),
    "no member at all": (b"{ }", {"a": gone}, b'{"new":0}'),
    "nothing to do": (b'{"b": [1, {"a": 2}]}', {"a": gone}, b'{"new":0,"b": [1, {"a": 2}]}'),
    "a value that looks like members": (b'{"b":"{\\"a\\":1}","a":"]}"}', {"a": gone}, b'{"new":0,"b":"{\\"a\\":1}"}'),
    "numbers are kept as written": (b'{"x":1.0e5,"a":-0,"y":1E2}', {"a": gone}, b'{"new":0,"x":1.0e5,"y":1E2}'),
    "nested": (b'{"t":[{"n":1,"a":2},{"a":3,"n":4}]}', {"t": {ANY: {"a": gone}}}, b'{"new":0,"t":[{"n":1},{"n":4}]}'),
    "an emptied object is removed": (b'{"o":{"a":1},"b":2}', {"o": {"a": gone}}, b'{"new":0,"b":2}'),
    "an emptied array is removed": (b'{"b":2,"o":{"l":[1,2]}}', {"o": {"l": {ANY: gone}}}, b'{"new":0,"b":2}'),
    "an emptied element is kept": (
        b'{"t":[{"a":1},{"b":2}]}',
        {"t": {ANY: {"a": gone}}},
        b'{"new":0,"t":[{},{"b":2}]}',
    ),
    "an empty object is kept": (b'{"o":{},"l":[]}', {"o": {"a": gone}, "l": {ANY: gone}}, b'{"new":0,"o":{},"l":[]}'),
    "an element": (b'{"l":[1,2,3]}', {"l": {ANY: lambda v: REMOVE if v == b"2" else None}}, b'{"new":0,"l":[1,3]}'),
    "the first element": (
        b'{"l":[ 1 , 2 ]}',
        {"l": {ANY: lambda v: REMOVE if v == b"1" else None}},
        b'{"new":0,"l":[ 2 ]}',
    ),
    "another value": (b'{"r": "x" , "b":1}', {"r": lambda value: b'"y"'}, b'{"new":0,"r": "y" , "b":1}'),
    "another type than the rule expects": (
        b'{"t":"text","o":null}',
        {"t": {ANY: gone}, "o": {"a": gone}},
        b'{"new":0,"t":"text","o":null}',
    ),
}


@pytest.mark.parametrize(("raw", "rules", "expected"), CASES.values(), ids=CASES.keys())
def test_only_the_members_change(raw: bytes, rules: Rules, expected: bytes) -> None:
    assert rewrite(raw, rules, nothing) == expected
    json.loads(expected)


def test_judges_get_the_raw_values_in_order() -> None:
    seen: list[bytes] = []

    def judge(value: bytes) -> bytes | None:
        seen.append(value)
        return None

    raw = b'{"a":{"x": 1}, "b":[ "t\\u00e4" , [1] ]}'
    assert rewrite(raw, {"a": judge, "b": {ANY: judge}}, nothing) == b'{"new":0,' + raw[1:]
    assert seen == [b'{"x": 1}', b'"t\\u00e4"', b"[1]"]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.sampled_from(["a", "b", "tools", "*", 'qu"ote', "\\", ""])
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=30)


def without(value: Any, rules: Rules | Judge | None, *, is_element: bool = False) -> tuple[Any, bool]:
    """The same on decoded JSON: the remaining value, and whether nothing remains."""
    if rules is None or callable(rules):
        return value, rules is not None
    if isinstance(value, dict):
        kept = {key: without(item, rules.get(key)) for key, item in value.items()}
        left = {key: item for key, (item, lost) in kept.items() if not lost}
        return left, bool(value) and not left and not is_element
    if isinstance(value, list) and ANY in rules:
        pairs = [without(item, rules.get(ANY), is_element=True) for item in value]
        rest = [item for item, lost in pairs if not lost]
        return rest, bool(value) and not rest and not is_element
    return value, False


RULES = st.recursive(
    st.just(gone), lambda inner: st.dictionaries(st.sampled_from(["a", "b", ANY, "tools"]), inner), max_leaves=8
).filter(lambda rules: not callable(rules))


@given(st.dictionaries(NAMES, TREES), RULES, st.sampled_from([None, 0, 2]), st.booleans())
def test_the_result_equals_removal_from_decoded_values(
    document: Any, rules: Any, indent: int | None, ascii_only: bool
) -> None:
    raw = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    left, lost = without(document, rules)
    expected = {"new": 0} | ({} if lost else left)
    assert json.loads(rewrite(raw, rules, nothing)) == expected

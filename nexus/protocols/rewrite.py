"""Removes members from raw JSON or replaces their values, and leaves every other byte unchanged.

As in ``nexus.protocols.edit``, its counterpart: the input is valid JSON, nothing is parsed and serialized again, and a
key that occurs several times is treated everywhere. A container that loses all its members is removed too, so that no
empty one is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Union

from nexus.protocols.edit import splice
from nexus.protocols.raw_json import (
    CLOSE_ARRAY,
    CLOSE_OBJECT,
    OPEN_ARRAY,
    OPEN_OBJECT,
    Span,
    next_item,
    past_space,
    string_end,
    value_end,
    value_start,
)
from nexus.wire import decode, encode

REMOVE: Final = b""
"""The verdict that removes a member; other bytes are its new value, None keeps it."""

Judge = Callable[[bytes], bytes | None]
"""Judges a member by its raw value."""

Rules = Mapping[str, Union[Judge, "Rules"]]
"""What happens to members by key; ``*`` stands for every element of an array."""

ANY: Final = "*"
_BOM = b"\xef\xbb\xbf"


def judging(judges: Iterable[tuple[Sequence[str], Judge]]) -> Rules:
    """Rules that apply each judge to the members at its path."""
    rules: dict[str, Any] = {}
    for (*front, last), judge in judges:
        inner = rules
        for key in front:
            inner = inner.setdefault(key, {})
        inner[last] = judge
    return rules


def removing(paths: Iterable[Sequence[str]]) -> Rules:
    return judging((path, remove) for path in paths)


def remove(_: bytes) -> bytes:
    return REMOVE


def fit_strings(
    raw: bytes, strings: Iterable[str], fitting: Callable[[str], str], paths: Iterable[Sequence[str]]
) -> bytes:
    """``raw`` with fitting strings at ``paths``, where ``strings`` are now; "" and other types stay. The bytes are
    scanned only if a string has to change."""
    if all(fitting(string) == string for string in strings if string):
        return raw

    def judge(value: bytes) -> bytes | None:
        given = decode(value)
        if not isinstance(given, str) or not given or (fits := fitting(given)) == given:
            return None
        return encode(fits)

    return cut(raw, judging((path, judge) for path in paths))


def rewrite(raw: bytes, rules: Rules, first: Callable[[], bytes]) -> bytes:
    """``raw``, an object, after ``rules``; ``first``, called last, gives the members to insert at the front."""
    walk = _Walk(raw)
    start = raw.index(b"{")
    end, gone = walk.value(start, rules)
    if gone or raw[past_space(raw, start + 1)] == CLOSE_OBJECT:
        return raw[:start] + b"{" + first() + b"}" + raw[end:]
    return splice(raw, [((start + 1, start + 1), first() + b","), *walk.edits])


def cut(raw: bytes, rules: Rules) -> bytes:
    """``raw`` after ``rules``, which must not remove everything; other types than objects stay unchanged."""
    start = past_space(raw, len(_BOM) if raw.startswith(_BOM) else 0)
    if raw[start : start + 1] != b"{":
        return raw
    walk = _Walk(raw)
    walk.value(start, rules)
    return splice(raw, walk.edits)


class Edited(NamedTuple):
    """A client's own bytes as a vendor gets them; ``dropped`` names what they lost."""

    body: bytes
    dropped: tuple[str, ...] = ()

    def then(self, edit: Callable[[bytes], Edited]) -> Edited:
        """The result of one more edit."""
        more = edit(self.body)
        return Edited(more.body, tuple(dict.fromkeys((*self.dropped, *more.dropped))))

    def without(self, rules: Rules, name: str) -> Edited:
        """The result of ``rules``; what they change is reported as ``name``."""
        body = cut(self.body, rules)
        return self if body == self.body else self.then(lambda _: Edited(body, (name,)))


class _Walk:
    """One pass over the bytes. ``edits`` are in order and do not overlap."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.edits: list[tuple[Span, bytes]] = []

    def value(self, start: int, rule: Judge | Rules | None, *, is_element: bool = False) -> tuple[int, bool]:
        """End of the value at ``start``, and whether nothing is left of it."""
        if rule is None or isinstance(rule, Mapping):
            opening = self._raw[start]
            if rule and (opening == OPEN_OBJECT or (opening == OPEN_ARRAY and ANY in rule)):
                mark = len(self.edits)
                end, emptied = self._container(start, rule, is_object=opening == OPEN_OBJECT)
                # An element keeps its place in its array even if it is empty, because others may be counted from it.
                if emptied and not is_element:
                    del self.edits[mark:]
                return end, emptied and not is_element
            return value_end(self._raw, start), False
        end = value_end(self._raw, start)
        verdict = rule(self._raw[start:end])
        if verdict:
            self.edits.append(((start, end), verdict))
        return end, verdict == REMOVE

    def _container(self, start: int, rules: Rules, *, is_object: bool) -> tuple[int, bool]:
        raw = self._raw
        closing = CLOSE_OBJECT if is_object else CLOSE_ARRAY
        position = past_space(raw, start + 1)
        # End of the previous item, and whether one of the earlier items stays.
        before, stays, loses = position, False, False
        while raw[position] != closing:
            item = position
            key = ANY
            if is_object:
                key_end = string_end(raw, item)
                key, position = decode(raw[item:key_end]), value_start(raw, key_end)
            end, gone = self.value(position, rules.get(key), is_element=not is_object)
            position = next_item(raw, end)
            if gone:
                last = raw[position] == closing and not stays
                self.edits.append(((before, end) if stays else (item, end if last else position), REMOVE))
            before, stays, loses = end, stays or not gone, loses or gone
        return position + 1, loses and not stays

"""Edits named members of raw JSON objects and leaves every other byte unchanged.

Law: the input is valid JSON whose top level is an object. Nothing is parsed and serialized again, so duplicate keys,
number spelling, escapes and key order are preserved. A key that occurs several times is edited everywhere, because it
is unknown which one a vendor uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.protocols.raw_json import OPEN_OBJECT, QUOTE, Span, members, string_value
from nexus.wire import Json, decode, encode, mapping


def replace_member(raw: bytes, document: Mapping[str, Json], key: str, value: str) -> bytes:
    """``raw``, whose decoded form is ``document``, with its top-level string ``key`` set to ``value``."""
    if not isinstance(document.get(key), str):
        return raw
    only = _only_spelling(raw, key)
    return splice(raw, [(only, encode(value))]) if only else replace_string(raw, (key,), value)


def replace_string(raw: bytes, path: tuple[str, ...], value: str) -> bytes:
    """``raw`` with the strings at ``path`` set to ``value``; members of another type are left alone."""
    new = encode(value)
    return splice(raw, [(span, new) for span in find(raw, path) if raw[span[0]] == QUOTE])


def splice(raw: bytes, edits: list[tuple[Span, bytes]]) -> bytes:
    """``raw`` with each span replaced; spans are in order and do not overlap."""
    if not edits:
        return raw
    pieces: list[bytes] = []
    position = 0
    for (start, end), new in edits:
        pieces += (raw[position:start], new)
        position = end
    pieces.append(raw[position:])
    return b"".join(pieces)


def set_member(raw: bytes, document: Mapping[str, Json], key: str, value: Json) -> bytes:
    """``raw``, a non-empty object whose decoded form is ``document``, with its top-level ``key`` set to ``value``."""
    new = encode(value)
    if key not in document:
        return insert_first(raw, key, new)
    return splice(raw, [(span, new) for span in find(raw, (key,))])


def merge_members(raw: bytes, name: str, members: Mapping[str, str]) -> bytes:
    """``raw``, a non-empty object, with ``members`` in its object ``name``, replacing those with the same names."""
    document = mapping(decode(raw))
    return set_member(raw, document, name, {**mapping(document.get(name)), **members})


def insert_first(raw: bytes, key: str, value: bytes) -> bytes:
    """``raw``, a non-empty object, with one more member in front."""
    start = raw.index(b"{") + 1
    return b"%b%b:%b,%b" % (raw[:start], encode(key), value, raw[start:])


def find(raw: bytes, path: Sequence[str], start: int | None = None) -> list[Span]:
    """Positions of the values at ``path``, in the object that opens at ``start`` or in the first one; several if keys
    are repeated, none if there is no such member."""
    spans = [(raw.index(b"{") if start is None else start, len(raw))]
    for name in path:
        objects = (start for start, _ in spans if raw[start] == OPEN_OBJECT)
        spans = [span for start in objects for key, span in members(raw, start) if key == name]
    return spans


def _only_spelling(raw: bytes, key: str) -> Span | None:
    """Position of the string member ``key``, found without a scan if the document spells it exactly once.

    Inside a JSON string its quotes would be escaped, so an occurrence is a whole string; spelling ASCII letters with
    escapes needs a backslash and ``u00``. If there is one occurrence and the document has the member, that is it.
    """
    quoted = encode(key)
    first = raw.find(quoted)
    if first < 0 or raw.find(quoted, first + 1) >= 0 or b"\\u00" in raw:
        return None
    return string_value(raw, first + len(quoted))

"""Edits named members of raw JSON objects and leaves every other byte as it was.

Law: the input is known to be valid JSON whose top level is an object. Nothing is parsed and written again, so
duplicate keys, number spelling, escapes and key order survive. A key that occurs several times is edited in all its
places: which one a vendor believes is not for us to guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.protocols.raw_json import OPEN_OBJECT, QUOTE, Span, members, string_value
from nexus.wire import Json, encode


def replace_member(raw: bytes, document: Mapping[str, Json], key: str, value: str) -> bytes:
    """``raw``, of which ``document`` is the decoded form, with its top-level string ``key`` holding ``value``."""
    if not isinstance(document.get(key), str):
        return raw
    only = _only_spelling(raw, key)
    return splice(raw, [(only, encode(value))]) if only else replace_string(raw, (key,), value)


def replace_string(raw: bytes, path: tuple[str, ...], value: str) -> bytes:
    """``raw`` with the strings at ``path`` holding ``value``; members of another type stay."""
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


def insert_first(raw: bytes, key: str, value: bytes) -> bytes:
    """``raw``, a non-empty object, with one more member in front."""
    start = raw.index(b"{") + 1
    return b"%b%b:%b,%b" % (raw[:start], encode(key), value, raw[start:])


def find(raw: bytes, path: Sequence[str], start: int | None = None) -> list[Span]:
    """Where the values at ``path`` stand, in the object that opens at ``start`` or in the first one; several where keys
    are repeated, none where there is no such member."""
    spans = [(raw.index(b"{") if start is None else start, len(raw))]
    for name in path:
        objects = (start for start, _ in spans if raw[start] == OPEN_OBJECT)
        spans = [span for start in objects for key, span in members(raw, start) if key == name]
    return spans


def _only_spelling(raw: bytes, key: str) -> Span | None:
    """Where the string member ``key`` stands, found without a scan when the document spells it just once.

    Inside a JSON string its quotes would be escaped, so an occurrence is a whole string; a spelling of ASCII letters
    by escapes needs a backslash and ``u00``. One occurrence, and the document has the member: that is it.
    """
    quoted = encode(key)
    first = raw.find(quoted)
    if first < 0 or raw.find(quoted, first + 1) >= 0 or b"\\u00" in raw:
        return None
    return string_value(raw, first + len(quoted))

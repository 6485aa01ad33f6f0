"""Reads members of a client's JSON, with exact errors, and lists what is dropped.

Raises only InvalidRequest, with the path in ``param``; null is the same as absent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

from nexus.conversation.events import ContentDropped, Event
from nexus.errors import InvalidRequest
from nexus.late import pattern
from nexus.wire import Json, mapping, sequence

_SAME_AS_ABSENT: Mapping[str, object] = {
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "top_logprobs": 0,
    "n": 1,
    "truncation": "disabled",
    "verbosity": "medium",
}
"""Defaults of fields, other than empty or off."""

_ASKS_EVEN_EMPTY = frozenset({"web_search_options"})
"""Objects whose mere presence enables something."""


def asks_for(name: str, value: object) -> bool:
    """Whether ``value`` has any effect: null, false, empty values and the field's default have none. ``name`` is a wire
    field's or a neutral one's."""
    if value or (value == 0 and value is not False):
        return name not in _SAME_AS_ABSENT or value != _SAME_AS_ABSENT[name]
    return name in _ASKS_EVEN_EMPTY and value is not None and value is not False


Body = Mapping[str, Json]


def check_case(holder: Body, name: str, where: str = "") -> None:
    """Rejects ``name`` in other letters, such as ``Model``. Servers whose JSON decoder ignores case, as Go's does, take
    the last of both, so that the caller would choose a model that Nexus has not seen. Source: golang/go #43664."""
    for other in holder:
        if len(other) == len(name) and other != name and other.casefold() == name:
            raise InvalidRequest.about(f"{where}{other}", f"write it in lower case: {name}")


STORED = frozenset({"previous_response_id", "container_id", "file_id", "file_ids", "input_file_id"})
"""Members that name what a vendor stores, wherever they are."""

_WORDS = frozenset({"previous_response_id", "conversation", "container"})
"""The same, at the top level of a request and of its tools; further inside they may be ordinary words."""

_MARKS = tuple(f'"{name}"'.encode() for name in sorted({*STORED, *_WORDS, "item_reference"}))
_COMMON = (b"file_id", b"response_id", b"container_id", b'"item_reference"')
"""Each of ``_MARKS`` contains one of them, except words."""

_ESCAPED_LETTER = pattern(rb"\\u00[4-7]")


def check_stored_names(raw: bytes, document: Body | None = None) -> None:
    """Rejects a body that may name what a vendor stores and has a key twice, or such a name in other letters: vendors
    differ in which they read, so that a caller could name what belongs to another (see ``check_case``). ``document`` is
    the decoded request, if the body is one."""
    has_words = document is None
    for holder in () if document is None else (document, *map(mapping, sequence(document.get("tools")))):
        _check_words(holder)
        has_words = has_words or not _WORDS.isdisjoint(holder)
    lowered, is_escaped = raw.lower(), _ESCAPED_LETTER.search(raw) is not None
    if not (has_words or is_escaped or any(part in lowered for part in _COMMON)):
        return
    marks = [mark for mark in _MARKS if mark in lowered]
    if not (marks or is_escaped):
        return
    in_other_letters = is_escaped or any(lowered.count(mark) != raw.count(mark) for mark in marks)
    hook = _check_names if in_other_letters else _check_unique
    json.loads(raw, object_pairs_hook=hook, parse_int=len, parse_float=len)


def _check_words(holder: Body) -> None:
    if not _WORDS.isdisjoint(map(str.casefold, set(holder) - _WORDS)):
        for word in _WORDS:
            check_case(holder, word)


def _check_unique(pairs: list[tuple[str, Json]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidRequest.about(name[:100], "occurs twice in one object")
        seen.add(name)


def _check_names(pairs: list[tuple[str, Json]]) -> None:
    _check_unique(pairs)
    for name, _ in pairs:
        if name not in STORED and (known := name.casefold()) in STORED:
            raise InvalidRequest.about(name, f"write it in lower case: {known}")


MOST_PARAMETERS = 200
"""Maximum number of parameters in a query."""


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a query, also those with an empty value. Raises InvalidRequest."""
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise InvalidRequest(f"the query has more than {MOST_PARAMETERS} parameters") from None


class Drops:
    """Names of dropped fields, without duplicates, in the order in which they were found."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = dict.fromkeys(names)

    def add(self, *names: str) -> None:
        self._names |= dict.fromkeys(names)

    def discard(self, name: str) -> None:
        self._names.pop(name, None)

    def unknown(self, holder: Body, known: Collection[str], prefix: str) -> None:
        """Adds every unknown member that has an effect."""
        for name, value in holder.items():
            if name not in known and asks_for(name, value):
                self.add(f"{prefix}.{name}")

    def events(self, *found: Event | str) -> list[Event]:
        """The events, with a ContentDropped in place of each new name."""
        out: list[Event] = []
        for one in found:
            if not isinstance(one, str):
                out.append(one)
            elif one not in self._names:
                self.add(one)
                out.append(ContentDropped(one))
        return out

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


def wrong(path: str, expected: str) -> InvalidRequest:
    return InvalidRequest.about(path, f"expected {expected}")


def one_of(words: Iterable[str]) -> str:
    return "one of " + ", ".join(f'"{word}"' for word in words)


def require(document: Body, field: str, kind: type | tuple[type, ...], expected: str) -> None:
    """Raises InvalidRequest unless ``field`` is there and of ``kind``."""
    if field not in document:
        raise InvalidRequest.about(field, "field required")
    value = document[field]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise wrong(field, expected)


def an_object(value: Json, path: str) -> Body:
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    return value


def maybe_object(holder: Body, name: str, path: str = "") -> Body:
    """The object, or an empty one if absent."""
    return {} if holder.get(name) is None else an_object(holder[name], join(path, name))


def an_array(value: Json, path: str) -> list[Json]:
    if not isinstance(value, list):
        raise wrong(path, "an array")
    return value


def blocks_in(body: Body) -> Iterator[Body]:
    """The content blocks of all messages, in the form of Messages and of Converse; whatever is none is skipped."""
    for message in map(mapping, sequence(body.get("messages"))):
        yield from map(mapping, sequence(message.get("content")))


def objects_in(value: Json, path: str) -> Iterator[tuple[Body, str]]:
    """The objects of an array, each with its path."""
    for at, entry in enumerate(an_array(value, path)):
        yield an_object(entry, f"{path}.{at}"), f"{path}.{at}"


def a_string(holder: Body, name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise wrong(join(path, name), "a string")
    return value


def a_name(holder: Body, name: str, path: str) -> str:
    """A required, non-empty string."""
    value = maybe_string(holder, name, path)
    if not value:
        raise wrong(join(path, name), "a non-empty string")
    return value


def maybe_string(holder: Body, name: str, path: str = "") -> str | None:
    return None if holder.get(name) is None else a_string(holder, name, path)


def maybe_strings(body: Body, name: str) -> dict[str, str]:
    """An object whose members are all strings, or an empty one if absent."""
    strings = maybe_object(body, name)
    return {member: a_string(strings, member, name) for member in strings}


def stop_sequences(value: Json, path: str) -> tuple[str, ...]:
    """An array of strings; empty ones are left out, because they stop nothing and most vendors reject them."""
    strings = an_array(value, path)
    for at, string in enumerate(strings):
        if not isinstance(string, str):
            raise wrong(f"{path}.{at}", "a string")
    return tuple(filter(None, strings))


def maybe_bool(holder: Body, name: str, path: str = "") -> bool | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(join(path, name), "true or false")
    return value


_LARGEST = sys.float_info.max


def maybe_number(
    holder: Body, name: str, low: float = -_LARGEST, high: float = _LARGEST, path: str = ""
) -> float | None:
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(join(path, name), "a number")
    if not low <= value <= high:
        raise wrong(join(path, name), "a number" if high == _LARGEST else f"a number from {low:g} to {high:g}")
    return float(value)


def maybe_whole(holder: Body, name: str, low: int | None = None, high: int | None = None, path: str = "") -> int | None:
    value = holder.get(name)
    if value is None:
        return None
    whole = value if isinstance(value, int) and not isinstance(value, bool) else None
    if whole is not None and (low is None or whole >= low) and (high is None or whole <= high):
        return whole
    bounds = "" if low is None else f" of at least {low}" if high is None else f" from {low} to {high}"
    raise wrong(join(path, name), f"a whole number{bounds}")


def googles_whole(holder: Body, name: str, path: str) -> int | None:
    """A whole number as Google's parser reads it: also with a zero fraction, or as a string."""
    value = holder.get(name)
    match value:
        case None:
            return None
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if is_whole(value):
            return int(value)
    raise wrong(join(path, name), "a whole number")


def is_whole(value: Json) -> bool:
    """Whether a string is an integer, as Google's parser accepts it."""
    return isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 20


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

"""Splicing raw JSON: however it is written, only the bytes of the named values change.

The expected bytes are built next to the input, piece by piece, never by parsing. To compare parsed values, the tests
use the standard library's parser, which keeps duplicate keys.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexus.protocols.edit import find, replace_member, replace_string
from nexus.wire import decode, encode

# -- random documents, written by hand -----------------------------------------------------------------------------

NUMBERS = ["0", "-0", "1e5", "1E+2", "-1.50e-3", "1.0", "123456789012345678901234567890", "0.10"]
KEYS = ["model", "models", "mode", "Model", "message", "a", "", "é", "\u2028", "🦜", '"model"', "\\", "a/b", "m\u0000l"]
TEXTS = [*KEYS, '"model":"x"', '{"model": "x"}', "}", "],", 'x\\"', "gpt-4", ","]
SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\r": "\\r"}

spaces = st.text(" \t\r\n", max_size=2)


@dataclass(frozen=True)
class Spelled:
    """One JSON text in pieces; None marks the position of the value of a top-level string ``model``."""

    pieces: tuple[str | None, ...]
    originals: tuple[str, ...]

    @property
    def raw(self) -> bytes:
        originals = iter(self.originals)
        return "".join(next(originals) if piece is None else piece for piece in self.pieces).encode()

    def having(self, value: bytes) -> bytes:
        return b"".join(value if piece is None else piece.encode() for piece in self.pieces)


@st.composite
def strings(draw: st.DrawFn, content: str | None = None) -> str:
    """A JSON string: each character as it is, as its short escape, or as hex escapes in either case."""
    text = draw(st.sampled_from(TEXTS) | st.text(max_size=6)) if content is None else content
    spelled = []
    for character in text:
        hexed = "".join(f"\\u{unit:04x}" for unit in _units(character))
        ways = [hexed, "".join(f"\\u{unit:04X}" for unit in _units(character))]
        if character in SHORT:
            ways.append(SHORT[character])
        if character not in '"\\' and character >= " ":
            ways += [character] * 6
        spelled.append(draw(st.sampled_from(ways)))
    return '"' + "".join(spelled) + '"'


def _units(character: str) -> list[int]:
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def _spaced(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(spaces, texts, spaces).map("".join)


def _arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(_spaced(values), max_size=3).map(lambda some: f"[{','.join(some)}]") | spaces.map("[{}]".format)


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(KEYS).flatmap(strings)
    members = st.tuples(_spaced(keys), _spaced(values)).map(":".join)
    return st.lists(members, max_size=4).map(lambda some: f"{{{','.join(some)}}}")


scalars = st.sampled_from([*NUMBERS, "true", "false", "null"]) | strings()
values = st.recursive(scalars, lambda inner: _arrays(inner) | _objects(inner), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> Spelled:
    """An object with any number of members, often with ``model`` among them, sometimes several times."""
    pieces: list[str | None] = [draw(spaces) + "{"]
    originals: list[str] = []
    for number in range(draw(st.integers(0, 5))):
        key = draw(st.sampled_from(KEYS + ["model"] * 6))
        value = draw(values)
        pieces.append("," if number else "")
        pieces.append(draw(_spaced(strings(key))) + ":" + draw(spaces))
        if key == "model" and value.startswith('"'):
            pieces.append(None)
            originals.append(value)
        else:
            pieces.append(value)
        pieces.append(draw(spaces))
    pieces.append((draw(spaces) if len(pieces) == 1 else "") + "}" + draw(spaces))
    return Spelled(tuple(pieces), tuple(originals))


Pairs = list[tuple[str, Any]]


class Members(Pairs):
    """An object as the standard library read it, with duplicates."""


def read(raw: bytes) -> Any:
    return json.loads(raw, object_pairs_hook=Members)


def at(value: Any, path: tuple[str, ...]) -> list[Any]:
    """Every value at ``path``, in order."""
    found = [value]
    for name in path:
        found = [inner for one in found if isinstance(one, Members) for key, inner in one if key == name]
    return found


# -- replacing -----------------------------------------------------------------------------------------------------


@given(documents(), st.sampled_from(["gpt-4", "", 'a"b', "é/🦜"]))
def test_only_the_model_changes(spelled: Spelled, model: str) -> None:
    raw = spelled.raw
    document = decode(raw)
    edited = replace_member(raw, document, "model", model)
    if isinstance(document.get("model"), str):
        assert edited == spelled.having(encode(model))
    else:
        assert edited == raw, "a model that is not a string is rejected elsewhere"


@given(documents())
def test_the_edited_document_parses_to_the_new_model(spelled: Spelled) -> None:
    before = read(spelled.raw)
    after = read(replace_string(spelled.raw, ("model",), "new"))
    assert after == [(key, "new" if key == "model" and isinstance(value, str) else value) for key, value in before]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b'{"model":"a"}', b'{"model":"new"}', id="alone"),
        pytest.param(b' {\n\t"model" :\r\n"a" } ', b' {\n\t"model" :\r\n"new" } ', id="white space"),
        pytest.param(b'{"model":"a","model":"b"}', b'{"model":"new","model":"new"}', id="twice"),
        pytest.param(b'{"model":1,"model":"b"}', b'{"model":1,"model":"new"}', id="twice, a number first"),
        pytest.param(b'{"model":"a","model":1}', b'{"model":"a","model":1}', id="twice, a number last"),
        pytest.param(rb'{"mod\u0065l":"a"}', rb'{"mod\u0065l":"new"}', id="escaped key"),
        pytest.param(
            rb'{"model":"a","\u006Dod\u0065l":"b"}', rb'{"model":"new","\u006Dod\u0065l":"new"}', id="both spellings"
        ),
        pytest.param(rb'{"model":"a\"b\\","x":1}', rb'{"model":"new","x":1}', id="escapes in the value"),
        pytest.param(b'{"x":"model","model":"model"}', b'{"x":"model","model":"new"}', id="as a value"),
        pytest.param(b'{"x":["model","a"],"model":"a"}', b'{"x":["model","a"],"model":"new"}', id="in an array"),
        pytest.param(b'{"x":{"model":"a"},"model":"b"}', b'{"x":{"model":"a"},"model":"new"}', id="nested before"),
        pytest.param(b'{"model":"b","x":{"model":"a"}}', b'{"model":"new","x":{"model":"a"}}', id="nested after"),
        pytest.param(
            rb'{"x":"\"model\":\"a\"","model":"b"}', rb'{"x":"\"model\":\"a\"","model":"new"}', id="inside a string"
        ),
        pytest.param(rb'{"x":"say \"model","model":"b"}', rb'{"x":"say \"model","model":"new"}', id="ends a string"),
        pytest.param(rb'{"x\"model":"a","model":"b"}', rb'{"x\"model":"a","model":"new"}', id="ends a key"),
        pytest.param(rb'{"x\\":"a","model":"b"}', rb'{"x\\":"a","model":"new"}', id="after a backslash"),
        pytest.param(b'{"model":null}', b'{"model":null}', id="null"),
        pytest.param(b'{"model":{"model":"a"}}', b'{"model":{"model":"a"}}', id="an object"),
        pytest.param(b'{"x":"model"}', b'{"x":"model"}', id="none"),
        pytest.param(b'{"x":{"model":"a"}}', b'{"x":{"model":"a"}}', id="only nested"),
        pytest.param(b"{ }", b"{ }", id="empty"),
        pytest.param(
            b'{"a":1e5,"b":1.0,"c":-0,"model":"x","d":12345678901234567890}',
            b'{"a":1e5,"b":1.0,"c":-0,"model":"new","d":12345678901234567890}',
            id="numbers keep their spelling",
        ),
    ],
)
def test_every_way_to_write_the_model_is_edited(raw: bytes, expected: bytes) -> None:
    assert replace_member(raw, decode(raw), "model", "new") == expected


def test_replace_string_leaves_other_types() -> None:
    raw = b'{"message":{"model":1,"x":[{"model":"in an array"}]},"message":{"model":"a"},"message":"text"}'
    edited = b'{"message":{"model":1,"x":[{"model":"in an array"}]},"message":{"model":"new"},"message":"text"}'
    assert replace_string(raw, ("message", "model"), "new") == edited


# -- finding -------------------------------------------------------------------------------------------------------


@given(documents(), st.lists(st.sampled_from([*KEYS, "model", "message"]), min_size=1, max_size=3).map(tuple))
@example(Spelled(('{"a":{"a":[{"a":1}],"a":{"a":2}},"a":3}',), ()), ("a", "a", "a"))
def test_find_finds_what_a_parser_finds(spelled: Spelled, path: tuple[str, ...]) -> None:
    raw = spelled.raw
    spans = find(raw, path)
    assert [read(raw[start:end]) for start, end in spans] == at(read(raw), path)
    assert all(raw[start:end] == raw[start:end].strip() for start, end in spans), "a span holds the value alone"


# -- insert_first and splice ---------------------------------------------------------------------------------------

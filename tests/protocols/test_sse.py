"""Server-sent events by the standard, however the network splits them.

For every split, the frames' bytes plus the rest equal the input, and the events are the same; a frame is
returned with the byte that completes its blank line.
"""

import random
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.protocols import sse
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge, is_heartbeat, parse_frame

Event = tuple[str | None, str]

STREAMS = [
    pytest.param(b'data: {"a": 1}\n\ndata: [DONE]\n\n', [(None, '{"a": 1}'), (None, "[DONE]")], id="LF"),
    pytest.param(b"data: a\r\rdata: b\r\r", [(None, "a"), (None, "b")], id="CR"),
    pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [(None, "a"), (None, "b")], id="CRLF"),
    pytest.param(b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [(None, "a"), (None, "b"), (None, "c")], id="mixed ends"),
    pytest.param(b"data: a\r\ndata: b\rdata: c\ndata: d\n\n", [(None, "a\nb\nc\nd")], id="mixed lines in one event"),
    pytest.param(b"event: message_start\ndata: {}\n\n", [("message_start", "{}")], id="named"),
    pytest.param(b"data:{}\n\nevent:x\ndata:  y\n\n", [(None, "{}"), ("x", " y")], id="no space, two spaces"),
    pytest.param(b": ping\n\n:\n\ndata: a\n\n", [(None, "a")], id="comments"),
    pytest.param(b": note\ndata: a\n: more\n\n", [(None, "a")], id="comments inside an event"),
    pytest.param(b"id: 7\nretry: 100\nfoo: bar\ndata: a\n\n", [(None, "a")], id="other fields"),
    pytest.param(b"data\n\ndata:\n\n", [(None, ""), (None, "")], id="empty data"),
    pytest.param(b"event: a\nevent: b\ndata: x\n\n", [("b", "x")], id="the last name counts"),
    pytest.param(b"event: lonely\n\ndata: x\n\n", [(None, "x")], id="a name alone is no event"),
    pytest.param(b"database: x\n data: y\ndata : z\n\n", [], id="nearly data"),
    pytest.param(b"data: a: b\n\n", [(None, "a: b")], id="a colon in the data"),
    pytest.param(
        "data: a\u2028b\u2029c\u0085d\x0b\x0c\n\n".encode(), [(None, "a\u2028b\u2029c\u0085d\x0b\x0c")], id="U+2028"
    ),
    pytest.param("data: Grüße 東京 🦜\n\n".encode(), [(None, "Grüße 東京 🦜")], id="UTF-8"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [(None, "a"), (None, "b")], id="BOM"),
    pytest.param(b'data: a\n\n{\n "error": {}\n}\n\n', [(None, "a"), (None, '{\n "error": {}\n}')], id="bare JSON"),
    pytest.param(b"\n\n\ndata: a\n\n\n\n", [(None, "a")], id="extra blank lines"),
    pytest.param(b"data: a\n\ndata: cut off\n", [(None, "a")], id="an event without its end"),
    pytest.param(b"data: \xff\xfe\n\n", [(None, "\ufffd\ufffd")], id="not UTF-8"),
    pytest.param(b"", [], id="nothing"),
]


def decoded(pieces: list[bytes]) -> tuple[list[Frame], bytes]:
    decoder = FrameDecoder()
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    return frames, decoder.rest


def events(frames: list[Frame]) -> list[Event]:
    return [(frame.event, frame.data) for frame in frames if frame.data is not None]


def cuts(raw: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, with empty pieces, every split in two, and some pseudo-random ones."""
    yield [raw]
    yield [raw[at : at + 1] for at in range(len(raw))]
    yield [b"", raw, b""]
    for at in range(len(raw) + 1):
        yield [raw[:at], raw[at:]]
    dice = random.Random(3)
    for _ in range(50):
        places = sorted(dice.choices(range(len(raw) + 1), k=4))
        yield [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]


@pytest.mark.parametrize(("raw", "expected"), STREAMS)
def test_every_split_gives_the_same_events_and_keeps_every_byte(raw: bytes, expected: list[Event]) -> None:
    for pieces in cuts(raw):
        frames, rest = decoded(pieces)
        assert events(frames) == expected
        assert b"".join(frame.raw for frame in frames) + rest == raw


LINES = st.sampled_from(["data: a", "data:b", "event: e", ": c", "", "data", "x: y", "data: é\u2028"])


@given(
    st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r", "\r\n"])), max_size=12),
    st.lists(st.integers(0, 120), max_size=6),
)
def test_any_lines_with_any_line_ends_in_any_split(lines: list[tuple[str, str]], places: list[int]) -> None:
    """Compared with a deliberately simple reader: split into lines, collect until a blank one."""
    raw = "".join(line + end for line, end in lines).encode()
    if any(end == "\r" and line == "" for (_, end), (line, _) in pairwise(lines)):
        # CR and a blank line ended by LF are one CRLF on the wire.
        lines = [(line, "\n") for line in raw.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]]
    stops = sorted(min(place, len(raw)) for place in places)
    frames, rest = decoded([raw[start:end] for start, end in zip([0, *stops], [*stops, len(raw)], strict=True)])
    assert b"".join(frame.raw for frame in frames) + rest == raw
    assert events(frames) == simply([line for line, _ in lines])


def simply(lines: list[str]) -> list[Event]:
    found: list[Event] = []
    name: str | None = None
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        if not line:
            if data:
                found.append((name, "\n".join(data)))
            name, data = None, []
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
    return found


def test_a_line_end_split_in_two_is_not_a_blank_line() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: b\r\n") == []
    assert events(decoder.feed(b"\r\n")) == [(None, "a\nb")]


def test_several_events_in_one_piece_are_returned_at_once() -> None:
    assert events(FrameDecoder().feed(b"data: a\n\ndata: b\n\ndata: c")) == [(None, "a"), (None, "b")]


def test_the_rest_holds_incomplete_events() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"data: a\n\ndata: b")
    assert decoder.rest == b"data: b"
    decoder.feed(b"\n\n")
    assert decoder.rest == b""


def test_a_frame_of_comments_has_no_data() -> None:
    (one,) = FrameDecoder().feed(b": ping\n\n")
    assert one == Frame(b": ping\n\n", None, None)


def test_an_endless_event_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_FRAME", 100)
    decoder = FrameDecoder()
    for _ in range(20):
        assert len(decoder.feed(b"data: " + b"x" * 80 + b"\n\n")) == 1, "many short events are not one long event"
    assert decoder.feed(b"x" * 100) == []
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"x")


def test_a_long_event_in_small_pieces_is_searched_once() -> None:
    """Four megabytes in 1 kB pieces: searching from the start each time would take minutes."""
    decoder = FrameDecoder()
    for _ in range(4096):
        assert decoder.feed(b"x" * 1024) == []
    assert len(decoder.feed(b"\n\n")) == 1


@pytest.mark.parametrize(
    ("raw", "alive"),
    [
        pytest.param(b": still here\n\n", True, id="a comment"),
        pytest.param(b"event: ping\ndata: {}\n\n", True, id="a ping"),
        pytest.param(b'data: {"type": "ping"}\n\n', True, id="a ping without its name"),
        pytest.param(b'event: keepalive\ndata: {"type":"keepalive"}\n\n', True, id="a keepalive"),
        pytest.param(b'data: {"choices": []}\n\n', False, id="a chunk"),
        pytest.param(b'event: content_block_delta\ndata: {"type":"ping"}\n\n', False, id="a named event"),
    ],
)
def test_heartbeats_are_recognized(raw: bytes, alive: bool) -> None:
    assert is_heartbeat(parse_frame(raw)) is alive


PIECES = [b"data: a\n\n", b"data:b\n\n", b"event: e\ndata: c\n\n", b"event:\ndata: d\n\n", b": x\n\n", b"id: 1\n"]
ODD = [
    b"data: e",
    b"\r",
    b"\n",
    b"\r\n",
    "data: \u2028ü\n\n".encode(),
    b"\xef\xbb\xbf",
    b"data:  two\n\n",
    b"data:\n\n",
]


@given(st.lists(st.sampled_from([*PIECES, *ODD])))
def test_plain_frames_are_read_like_all_others(pieces: list[bytes]) -> None:
    plain, any_others = FrameDecoder(), FrameDecoder()
    with pytest.MonkeyPatch.context() as patch:
        frames = [plain.feed(piece) for piece in pieces]
        patch.setattr(sse, "_PLAIN", re.compile(rb"(?!)"))
        assert frames == [any_others.feed(piece) for piece in pieces]
    assert plain.rest == any_others.rest

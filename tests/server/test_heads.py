"""Response heads: written as one text, and no value can inject a header line."""

import pytest
from tornado.httputil import ResponseStartLine

from nexus.headers.plain import plain_lines
from nexus.server.http.heads import answer_head, in_ascii, new_id, written

OK = ResponseStartLine("", 200, "OK")


def test_a_head_is_its_lines() -> None:
    head = answer_head(OK, {written("x-request-id"): "req_1", written("CONTENT-type"): "text/plain; name=\xe9"})
    assert head == b"HTTP/1.1 200 OK\r\nX-Request-Id: req_1\r\nContent-Type: text/plain; name=\xe9\r\n\r\n"


@pytest.mark.parametrize("value", ["a\nx-admin: 1", "a\rx-admin: 1", "a\r\n\r\nbody"])
def test_no_value_can_inject_a_line(value: str) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        answer_head(OK, {"X-Named": value})


def test_characters_beyond_ascii_are_escaped() -> None:
    assert [in_ascii(text) for text in ("openai/gpt", "p/\xe9", "p/\u6f22")] == ["openai/gpt", "p/\\xe9", "p/\\u6f22"]


def test_request_ids_are_ordered_by_time_and_cannot_be_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [1_795_962_595_000_000_000, 1_795_962_595_001_000_000]
    monkeypatch.setattr("nexus.server.http.heads.time.time_ns", lambda: moments[0])
    one, other = new_id(), new_id()
    monkeypatch.setattr("nexus.server.http.heads.time.time_ns", lambda: moments[1])
    assert max(one, other) < new_id()
    assert one[:16] == other[:16] and one[16:] != other[16:] and len(one) == 36


PLAIN = {
    "none": ("\r\nbody", [], 2),
    "two, and a body": ("A: 1\r\nb-c:  x y \r\n\r\nbody: 1\r\n", [("A", "1"), ("b-c", "x y")], 20),
    "one name twice": ("a: 1\r\nA: 2\r\n\r\n", [("a", "1"), ("A", "2")], 14),
    "incomplete": ("a: 1\r\nb: 2\r\n", [], 0),
    "an empty value": ("a:\r\n\r\n", [], 0),
    "a folded line": ("a: 1\r\n 2\r\n\r\n", [], 0),
    "beyond ASCII": ("a: \xe9\r\n\r\n", [], 0),
    "no carriage return": ("a: 1\n\n", [], 0),
    "a control character": ("a: 1\x00\r\n\r\n", [], 0),
    "a space before the colon": ("a : 1\r\n\r\n", [], 0),
}


@pytest.mark.parametrize(("text", "lines", "size"), PLAIN.values(), ids=PLAIN.keys())
def test_plain_lines_take_the_fast_path(text: str, lines: list[tuple[str, str]], size: int) -> None:
    assert plain_lines(text) == (lines, size)

"""Chunks that begin like the previous one are forwarded unread.

The output, and what the tap records, are the same as when every chunk is read.
"""

import json
from typing import Any

import pytest

from nexus.protocols.answer_relay import Tap
from nexus.protocols.chat import passthrough
from nexus.protocols.chat.passthrough import ChatPassthrough
from nexus.protocols.sse import FrameDecoder

BASE = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "vendor's"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def data(chunk: dict[str, Any], *, spaced: bool = False) -> bytes:
    return b"data: %b\n\n" % json.dumps(chunk, separators=None if spaced else (",", ":")).encode()


def chunk(text: str, more: dict[str, Any] | None = None, **choice: Any) -> dict[str, Any]:
    return {**BASE, "choices": [{"index": 0, "delta": {"content": text}, **choice}], **(more or {})}


PLAIN = [data(chunk(text, finish_reason=None)) for text in ("He", "llo", " wor", "ld")]
LAST = data(chunk("", finish_reason="stop"))
STREAMS = {
    "plain": [*PLAIN, LAST],
    "a null usage on each": [data(chunk("a", {"usage": None}, finish_reason=None))] * 3
    + [data(chunk("b", {"usage": USAGE}, finish_reason="stop"))],
    "unrequested usage": [*PLAIN, LAST, data({**BASE, "choices": [], "usage": USAGE})],
    "usage in the middle": [*PLAIN, data(chunk("x", {"usage": USAGE})), *PLAIN],
    "written with spaces": [data(chunk("a", finish_reason=None), spaced=True)] * 3
    + [data(chunk("b", finish_reason="length"), spaced=True)],
    "a model after the choices": [
        data({"id": "c", "choices": chunk(t)["choices"], "model": "vendor's"}) for t in "abc"
    ],
    "two models": [data({**chunk(text), "x": 1})[:-3] + b',"model":"again"}\n\n' for text in "abc"],
    "a key written with escapes": [*PLAIN, data(chunk("x"))[:-3] + b',"\\u006dodel":"hidden"}\n\n', LAST],
    "text written with escapes": [data(chunk("\u00e9"))] * 3 + [LAST],
    "text that looks like fields": [data(chunk('"usage": 1, "error": {}, "model"\n\n'))] * 3 + [LAST],
    "another model": [*PLAIN, data({**chunk("x"), "model": "other"}), data({**chunk("y"), "model": "other"}), LAST],
    "a late tier": [*PLAIN, data({**chunk("x"), "service_tier": "flex"}), data({**chunk("y"), "usage": USAGE}), LAST],
    "an error": [*PLAIN, data({"error": {"message": "no"}})],
    "an error next to choices": [*PLAIN, data({**chunk(""), "error": {"message": "no"}})],
    "an error event": [*PLAIN, b"event: error\n" + PLAIN[0]],
    "an event name after its data": [*PLAIN, PLAIN[0][:-1] + b"event: error\n\n"],
    "carriage returns": [piece.replace(b"\n", b"\r\n") for piece in (*PLAIN, LAST)],
    "comments and the end": [b": hello\n\n", *PLAIN, b": ping\n\n", LAST, b"data: [DONE]\n\n"],
    "tool calls": [
        data(
            {
                **BASE,
                "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}}],
            }
        )
        for part in ('{"model"', ': "x"', "}")
    ],
    "two choices": [
        data({**BASE, "choices": [{"index": i, "delta": {"content": "x"}, "finish_reason": None} for i in (0, 1)]})
    ]
    * 3
    + [data({**BASE, "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]})] * 2,
}


def relayed(stream: list[bytes]) -> tuple[list[bytes], list[Any]]:
    tap = Tap()
    relay = ChatPassthrough({}, "client's", tap)
    written, known = [], []
    for frame in FrameDecoder().feed(b"".join(stream)):
        written.append(relay.frame(frame))
        known.append((tap.model, tap.usage, tap.stop_reason, relay.content, relay.ended, relay.complete, relay.failure))
    return written, known


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_forwarding_unread_gives_the_same_result_as_reading(
    stream: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = relayed(stream)
    monkeypatch.setattr(passthrough._Prefix, "passed", lambda *_: None)
    assert quick == relayed(stream)


def test_plain_chunks_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr(passthrough, "finish_word", lambda choice: read.append(choice))
    relayed(PLAIN)
    assert len(read) == 1

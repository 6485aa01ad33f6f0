"""Every recorded answer of every vendor, through the whole lane to clients: cut anywhere, streamed and whole."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.conversation.parts import Image, Reasoning, Refusal, Request, Text, ToolCall
from nexus.errors import NexusError, StreamInterrupted, VendorError
from nexus.protocols.codec import VendorRequest
from nexus.protocols.dialect import BrokenStream
from nexus.protocols.loader import DIALECTS
from nexus.protocols.sse import Frame, FrameDecoder
from nexus.relay.translation import Translation

from .items import check_failure
from .kit import (
    ANSWERING,
    CLIENTS,
    Turn,
    check_stream,
    echo,
    echo_stream,
    frames,
    new_attempt,
    parts_of_echo,
    stream_of,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
QUESTION = Request((), stream=True, include_usage=True)


STREAMS = {
    f"{vendor}/{path.parent.name}": path
    for vendor in ANSWERING
    for path in sorted(FIXTURES.glob(f"{vendor}/*/upstream.*"))
    if path.suffix in (".sse", ".jsonl")
}
TWO_ANSWERS = {"chat/no-ids", "responses/failed"}
"""Fixtures whose stream and whole answer are two different answers, or not answers at all."""

PAIRS = {name: path for name, path in STREAMS.items() if path.with_suffix(".json").exists() and name not in TWO_ANSWERS}


def lanes(names: Iterable[str]) -> pytest.MarkDecorator:
    """Each answer for one client after the other, of which the slow part has all."""
    return pytest.mark.parametrize(
        ("name", "client"),
        [
            pytest.param(name, client, id=f"{name} for {client}", marks=() if turn else pytest.mark.slow)
            for number, name in enumerate(names)
            for at, client in enumerate(CLIENTS)
            for turn in [number % len(CLIENTS) == at]
        ],
    )


def lane(client: str, name: str, *, stream: bool) -> Translation:
    return Translation(
        new_attempt(client, stream=stream), QUESTION, name.partition("/")[0], "the-model", VendorRequest({})
    )


def run(relay: Translation, frames: list[Frame]) -> bytes:
    return b"".join(map(relay.frame, frames))


@lanes(STREAMS)
def test_a_stream_cut_anywhere_is_reported_as_broken(name: str, client: str) -> None:
    """Between any two frames; of several alike in a row, after the first and the last."""
    frames, relay, written = stream_of(STREAMS[name]), lane(client, name, stream=True), b""
    for length, frame in enumerate([None, *frames]):
        try:
            written += relay.frame(frame) if frame is not None else b""
        except VendorError as refusal:
            # The vendor's own error: the server sends it after what was written before.
            check_broken(client, written, refusal)
            return
        is_over = relay.ended or relay.complete
        assert is_over == _has_ended(frames[:length])
        if is_over:
            for end in range(length, len(frames) + 1):
                cut = lane(client, name, stream=True)
                check_stream(client, run(cut, frames[:end]) + cut.finish())
                assert cut.complete
            return
        if _are_alike(frames[max(0, length - 2) : length + 1]):
            continue
        cut = lane(client, name, stream=True)
        run(cut, frames[:length])
        assert cut.finish() == b"" and not cut.complete
        check_broken(client, written, StreamInterrupted("cut", provider="p"))
    assert name == "gemini/cut"


def _are_alike(three: list[Frame]) -> bool:
    """Whether three frames differ in their words and numbers only."""
    words = r'"(?:[^"\\]|\\.)*"(?!:)|-?\d[\d.e-]*'
    return len(three) == 3 and len({re.sub(words, "_", f"{frame.event} {frame.data}") for frame in three}) == 1


_ENDS = re.compile(
    r'"(finish_reason|stop_reason|stopReason|finishReason|blockReason)": ?"|\[DONE\]|response\.(completed|incomplete)'
)


def _has_ended(frames: list[Frame]) -> bool:
    """Whether the vendor has sent its stop reason."""
    return any(_ENDS.search(frame.data or "") for frame in frames)


def check_broken(client: str, written: bytes, error: NexusError) -> None:
    """Every part is closed, the stream has no end, and the server's last frame is the error for this very answer."""
    check_stream(client, written, ended=False)
    last = DIALECTS[client].error_frame(error, BrokenStream("req_1", "m", {}, 7, begun=True))
    match client:
        case "responses" if frames(written):
            check_failure(frames(written + last))
        case "responses":
            assert [name for name, _ in frames(last)] == ["error", "response.failed"]
        case _:
            (told,) = [json.loads(data) for _, data in frames(last)]
            assert told["error"]["message"]


@lanes(PAIRS)
def test_streamed_and_whole_answers_are_the_same(name: str, client: str) -> None:
    """Also a whole answer to a streaming client: a server that ignores ``stream`` gives the stream that it should have
    sent."""
    body = PAIRS[name].with_suffix(".json").read_bytes()
    relay, whole, ignoring = (lane(client, name, stream=stream) for stream in (True, False, True))
    written = run(relay, stream_of(PAIRS[name])) + relay.finish()
    answer = json.loads(whole.body(body))
    content = told(client, echo(client, answer))
    kept = _without_the_last_signature(content) if client == "messages" else content
    assert told(client, echo_stream(client, written)) == kept
    assert whole.complete and relay.complete
    assert whole.tap.usage == relay.tap.usage
    assert ending(client, written) == _ending(client, answer)
    made = ignoring.body(body)
    check_stream(client, made)
    assert told(client, echo_stream(client, made)) == content


def _without_the_last_signature(found: list[Any]) -> list[Any]:
    """A Messages stream cannot hold a signature after its last text (messages/signatures.py)."""
    return [*found[:-1], replace(found[-1], signature=None)] if found and isinstance(found[-1], Text) else found


def told(client: str, turns: list[Turn]) -> list[Any]:
    """All content and all signatures, without ids: some vendors send none, and the gateway generates new ones."""
    found: list[Any] = []
    for part in parts_of_echo(client, turns):
        match part:
            case ToolCall(name=name, arguments=arguments, signature=signature):
                found.append((name, json.loads(arguments or "{}"), signature))
            case Text() | Reasoning() | Refusal() | Image():
                found.append(part)
            case _:
                raise TypeError(part)
    return found


def ending(client: str, written: bytes) -> Any:
    """Stop reason and usage as the client gets them."""
    found: dict[str, Any] = {}
    for frame in FrameDecoder().feed(written):
        if frame.data in (None, "[DONE]"):
            continue
        data = json.loads(frame.data or "")
        for choice in data.get("choices", ()):
            found["stop"] = choice["finish_reason"]
        if data.get("type") == "message_delta":
            found["stop"] = data["delta"]["stop_reason"]
        if data.get("type") in ("response.completed", "response.incomplete"):
            return _ending(client, data["response"])
        if data.get("usage"):
            found["usage"] = {name: value for name, value in data["usage"].items() if name != "cache_creation"}
    return found


def _ending(client: str, answer: Mapping[str, Any]) -> Any:
    usage = {name: value for name, value in answer["usage"].items() if name != "cache_creation"}
    match client:
        case "chat":
            stop = answer["choices"][0]["finish_reason"]
        case "messages":
            stop = answer["stop_reason"]
        case _:
            stop = answer["status"], answer["incomplete_details"]
    return {"stop": stop, "usage": usage}

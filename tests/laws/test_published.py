"""Whatever words a vendor uses, clients of other protocols read only what their SDK's types know.

The recorded answers of every vendor, with any of their words, ids, counts and times replaced, through the whole
lane to every client: streamed and whole, cut anywhere and failing. If the client uses the vendor's protocol, the
bytes pass through and are not checked.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import Event
from nexus.conversation.fold import fold
from nexus.errors import NexusError, ProtocolError, StreamInterrupted, VendorError
from nexus.errors.failure import VendorFailure
from nexus.protocols import loader
from nexus.protocols.dialect import BrokenStream
from nexus.protocols.loader import DIALECTS
from nexus.protocols.sse import Frame
from nexus.wire import Json, decode, encode
from tests.examples import examples
from tests.protocols.kit import envelope

from .kit import CLIENTS, call, frames, stream_of
from .published import judge_error, judge_event, judge_stream, judge_whole
from .streams import streams
from .test_answers import fitted
from .test_fixtures import STREAMS, lane

WORDS = {
    *("finish_reason", "stop_reason", "finishReason", "stopReason", "blockReason", "native_finish_reason"),
    *("id", "responseId", "toolUseId", "model", "modelVersion", "object", "role", "type", "status", "reason", "code"),
    *("service_tier", "serviceTier", "system_fingerprint", "created", "created_at", "index", "name", "signature"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens", "input_tokens"),
    *("output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "promptTokenCount", "inputTokens"),
    *("candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount", "outputTokens", "totalTokens"),
}
"""Members whose values are words, ids, counts and times of the vendor."""

WORD: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from(
        ["", "stop", "MALFORMED_FUNCTION_CALL", "abort", "error", "eos", "🎈", "x" * 300, "\x00", "end_turn"]
    ),
    st.text(max_size=5),
    st.integers(-3, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([None, True, [], {}, ["a"], {"type": "x"}]),
)


@st.composite
def damaged(draw: st.DrawFn, document: Json) -> Json:
    """The document with up to three of the vendor's words replaced."""
    places = list(_places(document, ()))
    for place in draw(st.lists(st.sampled_from(places), max_size=3)) if places else ():
        document = _put(document, place, draw(WORD))
    return document


def _places(value: Json, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in WORDS:
                yield (*path, name)
            yield from _places(inner, (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _places(inner, (*path, at))


def _put(value: Json, path: tuple[Any, ...], word: Json) -> Json:
    if not path:
        return word
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: _put(value.get(head), tuple(rest), word)}
    if isinstance(value, list) and isinstance(head, int) and head < len(value):
        return [*value[:head], _put(value[head], tuple(rest), word), *value[head + 1 :]]
    return value


def documents(path: Path) -> list[Frame]:
    return [frame for frame in stream_of(path) if frame.data is not None]


def broken(client: str, *, begun: bool, headers: Mapping[str, str] | None = None) -> BrokenStream:
    return BrokenStream(call(client, stream=True).id, "house/alias", headers or {}, 7, begun)


@pytest.mark.parametrize("client", CLIENTS)
@examples(600)
@given(name=st.sampled_from(list(STREAMS)), data=st.data())
def test_damaged_streams_give_only_published_events(client: str, name: str, data: st.DataObject) -> None:
    relay, written = lane(client, name, stream=True), b""
    failure: NexusError = StreamInterrupted("cut", provider="p")
    found = documents(STREAMS[name])
    for frame in found[: data.draw(st.integers(0, len(found)) | st.just(len(found)))]:
        said = frame.data
        if said != "[DONE]" and data.draw(st.integers(0, 2)) == 0:
            said = encode(data.draw(damaged(decode(said or "null")))).decode()
        try:
            written += relay.frame(replace(frame, data=said))
        except VendorError as refusal:
            failure = refusal
            break
        except ValueError:
            failure = ProtocolError("p: garbage", provider="p")
            break
    if relay.complete or relay.ended:
        written += relay.finish()
    else:
        written += DIALECTS[client].error_frame(failure, broken(client, begun=bool(written)))
    judge_stream(client, written)


WHOLE = [name for name, path in STREAMS.items() if path.with_suffix(".json").exists()]


@pytest.mark.parametrize("client", CLIENTS)
@examples(600)
@given(name=st.sampled_from(WHOLE), data=st.data())
def test_damaged_answers_give_only_published_values(client: str, name: str, data: st.DataObject) -> None:
    answer = data.draw(damaged(json.loads(STREAMS[name].with_suffix(".json").read_bytes())))
    try:
        judge_whole(client, decode(lane(client, name, stream=False).body(encode(answer))))
    except VendorError as refusal:
        judge_error(client, decode(DIALECTS[client].write_error(refusal, "req_1")))
    except ValueError:
        pass


ALL_TOOLS: Mapping[str, dict[str, Any]] = {
    "chat": {
        "messages": [{"role": "user", "content": "x"}],
        "tools": [
            {"type": "function", "function": {"name": "tool__1"}},
            {"type": "custom", "custom": {"name": "tool__2", "format": {"type": "text"}}},
        ],
    },
    "messages": {
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"name": "tool__1", "input_schema": {}}, {"type": "bash_20250124", "name": "tool__2"}],
    },
    "responses": {
        "input": "x",
        "tools": [
            {"type": "namespace", "name": "tool", "description": "d", "tools": [{"type": "custom", "name": "1"}]},
            {"type": "function", "name": "tool__2", "parameters": {"type": "object"}, "beyond": 1},
            {"type": "custom", "name": "tool__3", "format": {"type": "text"}, "beyond": 1},
            {"type": "web_search_of_the_future", "beyond": 1},
        ],
        "tool_choice": "required",
        "reasoning": {"effort": "max", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        "service_tier": "tomorrow",
        "metadata": {"a": "b"},
    },
}
"""Requests with everything that the answer repeats."""


@pytest.mark.parametrize("client", CLIENTS)
@examples(100)
@given(events=streams())
def test_any_answer_to_a_full_request_conforms(client: str, events: list[Event]) -> None:
    request = loader.client(client).read_request({"model": "m", **ALL_TOOLS[client]}).request
    events = fitted(client, events)
    writer = loader.client(client).stream_writer(envelope(request))
    judge_stream(client, b"".join(map(writer.write, events)))
    judge_whole(client, loader.client(client).write_response(fold(events), envelope(request)))


FAILURES: Mapping[str, Callable[[str, str], Json]] = {
    "chat": lambda word, words: {"error": {"message": words, "type": word, "code": word, "param": word}},
    "messages": lambda word, words: {"type": "error", "error": {"type": word, "message": words}},
    "gemini": lambda word, words: {
        "error": {"code": 400, "message": words, "status": word, "details": [{"reason": word}]}
    },
    "converse": lambda word, words: {"message": words, "__type": word},
    "responses": lambda word, words: {"error": {"message": words, "type": word, "code": word, "param": word}},
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("vendor", FAILURES)
@examples(40)
@given(status=st.integers(400, 599), word=st.text(max_size=6) | st.just("server_error"), words=st.text(max_size=9))
def test_any_error_conforms(client: str, vendor: str, status: int, word: str, words: str) -> None:
    refusal = VendorError(loader.vendor(vendor).read_error(status, {}, encode(FAILURES[vendor](word, words))))
    judge_error(client, decode(DIALECTS[client].write_error(refusal, "req_1")))
    for begun in (True, False):
        for name, data in frames(DIALECTS[client].error_frame(refusal, broken(client, begun=begun))):
            judge_event(client, name, decode(data))


def test_only_codex_gets_its_keepalive_event_and_error_codes() -> None:
    codex, responses = {"x-codex-window-id": "w:0"}, DIALECTS["responses"]
    long = VendorError(VendorFailure("too long", "context_length", 400))
    codes = {}
    for name, headers in (("codex", codex), ("another", {})):
        *_, (_, failed) = frames(responses.error_frame(long, broken("responses", begun=True, headers=headers)))
        codes[name] = decode(failed)["response"]["error"]["code"]
    assert codes == {"codex": "context_length_exceeded", "another": "invalid_prompt"}
    assert frames(responses.keepalive(codex, 3)) == [("keepalive", '{"type":"keepalive","sequence_number":2}')]
    assert responses.keepalive({}, 3) == b": nexus ping\n"

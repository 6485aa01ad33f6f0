"""The smoke test's readers of each format: they accept complete answers and reject incomplete ones with a reason."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from nexus.cli.smoke.chat import EmbeddingsClient
from nexus.cli.smoke.converse import ConverseClient
from nexus.cli.smoke.dialect import Answer, DialectClient
from nexus.cli.smoke.hosted import InvokeClient, VertexClient
from nexus.cli.smoke.http import CheckFailed, ServerUnderTest
from nexus.cli.smoke.messages import MessagesClient
from nexus.cli.smoke.probe import Endpoint
from nexus.cli.smoke.responses import ResponsesClient
from nexus.cli.smoke.site import model_names
from nexus.protocols.sse import Frame

Events = list[dict[str, Any]]


def frame(event: dict[str, Any], kind: str) -> Frame:
    return Frame(b"", kind, json.dumps(event))


def responses(events: Events) -> Answer:
    reader = ResponsesClient().reader()
    for event in events:
        reader.feed(frame(event, event["type"]))
    return reader.finish()


def converse(events: Events) -> Answer:
    reader = ConverseClient().reader()
    for event in events:
        ((kind, said),) = event.items()
        reader.feed(frame(said, kind))
    return reader.finish()


RESPONSE = {
    "object": "response",
    "status": "completed",
    "model": "m",
    "output": [
        {"type": "reasoning", "id": "rs_1"},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello!"}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
}


def numbered(*events: dict[str, Any]) -> Events:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


CREATED, DELTA = {"type": "response.created"}, {"type": "response.output_text.delta", "delta": "Hello!"}
COMPLETED = {"type": "response.completed", "response": RESPONSE}
START, STOP = {"messageStart": {"role": "assistant"}}, {"messageStop": {"stopReason": "tool_use"}}
WORDS = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hello!"}}}
TOOL: Events = [
    {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "call_1", "name": "f"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"a": '}}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "1}"}}}},
]
METADATA = {"metadata": {"usage": {"inputTokens": 2, "outputTokens": 2, "cacheReadInputTokens": 1}}}


def test_a_complete_responses_stream_is_read() -> None:
    answer = responses(numbered(CREATED, DELTA, COMPLETED))
    assert (answer.model, answer.text, answer.reasoned) == ("m", "Hello!", True)
    assert [(call.id, call.name) for call in answer.calls] == [("call_1", "f")]
    assert answer.spent is not None and (answer.spent.input, answer.spent.cached) == (3, 1)


def test_a_complete_converse_stream_is_read() -> None:
    answer = converse([START, WORDS, *TOOL, STOP, METADATA])
    assert (answer.text, answer.calls[0].arguments) == ("Hello!", '{"a": 1}')
    assert answer.spent is not None and (answer.spent.input, answer.spent.output) == (3, 2)


BROKEN: dict[str, tuple[Callable[[Events], Answer], Events, str]] = {
    "responses: cut": (responses, numbered(CREATED, DELTA), "ended without response.completed"),
    "responses: not opened": (responses, numbered(DELTA, COMPLETED), "out of order"),
    "responses: a number is missing": (responses, [CREATED | {"sequence_number": 1}], "is not numbered 0"),
    "responses: other words": (
        responses,
        numbered(CREATED, {**DELTA, "delta": "Hell"}, COMPLETED),
        "the text of the deltas is not that of the response",
    ),
    "responses: failed": (
        responses,
        numbered(CREATED, {"type": "response.failed", "response": {"error": {"code": "x", "message": "no"}}}),
        "in the stream: x: no",
    ),
    "responses: data after the end": (
        responses,
        numbered(CREATED, DELTA, COMPLETED, DELTA),
        "behind response.completed",
    ),
    "responses: not completed": (
        responses,
        numbered(CREATED, DELTA, {**COMPLETED, "response": {**RESPONSE, "status": "in_progress"}}),
        "the response is in_progress",
    ),
    "converse: cut": (converse, [START, WORDS], "ended without messageStop"),
    "converse: not opened": (converse, [WORDS], "contentBlockDelta out of order"),
    "converse: text after the end": (converse, [START, STOP, WORDS], "behind messageStop"),
    "converse: usage before the end": (converse, [START, METADATA], "metadata before messageStop"),
    "converse: incomplete input": (converse, [START, *TOOL[:2], STOP], "the input of a tool is not JSON"),
    "converse: an exception": (
        converse,
        [START, {"throttlingException": {"message": "slow down"}}],
        "in the stream: throttlingException: slow down",
    ),
}


@pytest.mark.parametrize(("read", "events", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_streams_are_rejected(read: Callable[[Events], Answer], events: Events, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        read(events)


LISTED = {"object": "list", "model": "m", "usage": {"prompt_tokens": 2}}
WRONG: dict[str, tuple[DialectClient, dict[str, Any], str]] = {
    "responses": (ResponsesClient(), {"object": "chat.completion"}, "is not a response"),
    "converse without a stop": (
        ConverseClient(),
        {"output": {"message": {"role": "assistant", "content": []}}},
        "has no stopReason",
    ),
    "converse without a message": (ConverseClient(), {"stopReason": "end_turn"}, "no assistant message"),
    "embeddings: two": (EmbeddingsClient(), {**LISTED, "data": [{}, {}]}, "not a list of one embedding"),
    "embeddings: base64": (EmbeddingsClient(), {**LISTED, "data": [{"embedding": "AAAA"}]}, "has no numbers"),
}


@pytest.mark.parametrize(("dialect", "document", "said"), WRONG.values(), ids=WRONG.keys())
def test_unexpected_documents_are_rejected(dialect: DialectClient, document: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        dialect.read(document)


def test_the_model_is_escaped_in_the_path() -> None:
    name = "google/gemini 3@1"
    assert VertexClient().address(name, stream=True).endswith("/models/google%2Fgemini%203@1:streamRawPredict")
    assert InvokeClient().address(name, stream=False) == "/model/google%2Fgemini%203%401/invoke"
    assert ConverseClient().address(name, stream=True) == "/model/google%2Fgemini%203%401/converse-stream"
    for dialect in (VertexClient(), InvokeClient()):
        body = dialect.request(name, "Hello!", stream=False, usage=True)
        assert "model" not in body and str(body["anthropic_version"]).startswith(("vertex-", "bedrock-"))


class Frames:
    """A reply in AWS event stream format."""

    def __init__(self, *events: tuple[str, bytes]) -> None:
        self._events = events

    def events(self) -> Any:
        return iter(self._events)


def test_a_chunk_with_invalid_json_is_rejected() -> None:
    good = json.dumps({"bytes": base64.b64encode(b'{"type": "ping"}').decode()}).encode()
    (event,) = InvokeClient().frames(Frames(("chunk", good)))  # type: ignore[arg-type]
    assert (event.event, event.data) == ("ping", '{"type": "ping"}')
    for bad in (b"{", b'{"bytes": "!"}', json.dumps({"bytes": base64.b64encode(b"{").decode()}).encode()):
        with pytest.raises(CheckFailed, match="not JSON in base64"):
            list(InvokeClient().frames(Frames(("chunk", bad))))  # type: ignore[arg-type]


def test_a_list_of_models_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()

    def page(*_: object) -> dict[str, Any]:
        return {"data": [], "has_more": True, "last_id": str(next(numbers))}

    monkeypatch.setattr(ServerUnderTest, "get", page)
    with pytest.raises(CheckFailed, match="more than 50 pages"):
        model_names(ServerUnderTest("http://127.0.0.1:9", 1.0), Endpoint(MessagesClient(), "/llm/anthropic", {}))

"""The smoke test's formats: complete answers are read, incomplete ones are rejected with a reason."""

import base64
import itertools
import json
from typing import Any

import pytest

from nexus.cli.smoke.formats import FORMATS
from nexus.cli.smoke.http import CheckFailed, ServerUnderTest
from nexus.cli.smoke.parser import PROTOCOLS
from nexus.cli.smoke.probe import Endpoint, said
from nexus.cli.smoke.site import model_names
from nexus.conversation.parts import Message, Request, Response, Text
from nexus.models.chat_server import PLAIN
from nexus.protocols.sse import Frame

Events = list[tuple[str, Any]]
HELLO = Request((Message("user", (Text("Hello!"),)),))
BY_NAME = {format.name: format for format in FORMATS}


class Streamed:
    """A reply whose events have these names and JSON data."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def frames(self) -> list[Frame]:
        return [Frame(b"", name, json.dumps(data)) for name, data in self._events]

    def events(self) -> Events:
        return [(name, json.dumps(data)) for name, data in self._events]


def read(format: str, events: Events) -> Response:
    return BY_NAME[format].read_stream(Streamed(events), HELLO, "m", lambda: None)  # type: ignore[arg-type]


def invoked(*events: dict[str, Any]) -> Events:
    return [("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}) for event in events]


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}}
INVOKED = invoked(
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello!"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
WORDS = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello!"}})
CONVERSED: Events = [("messageStart", {"role": "assistant"}), WORDS, ("messageStop", {"stopReason": "end_turn"})]


@pytest.mark.parametrize(("format", "events"), [("invoke", INVOKED), ("converse", CONVERSED)])
def test_a_complete_stream_of_aws_is_read(format: str, events: Events) -> None:
    assert said(read(format, events)) == "Hello!"


@pytest.mark.parametrize(
    ("format", "events", "problem"),
    [
        ("invoke", INVOKED[:3], "the stream has no end"),
        ("invoke", [("throttlingException", {"message": "slow down"})], "throttlingException.*slow down"),
        ("invoke", [("chunk", {"bytes": "!"})], "in the stream"),
        ("converse", CONVERSED[:2], "the stream has no end"),
        ("converse", [("throttlingException", {"message": "slow down"})], "slow down"),
        ("chat", [], "the stream has no start"),
        ("gemini", [("", {"error": {"code": 429, "message": "slow down"}})], "slow down"),
    ],
)
def test_broken_streams_are_rejected(format: str, events: Events, problem: str) -> None:
    with pytest.raises(CheckFailed, match=problem):
        read(format, events)


@pytest.mark.parametrize("format", [format.name for format in FORMATS])
def test_unexpected_documents_are_rejected(format: str) -> None:
    with pytest.raises(CheckFailed, match="the answer is invalid"):
        BY_NAME[format].read({"object": "list", "data": [{"embedding": "AAAA"}]}, HELLO, "m")


def test_a_body_lacks_what_its_path_has_and_what_models_without_thinking_reject() -> None:
    for format in FORMATS:
        body, address = (
            format.write(HELLO, "google/gemini 3@1", PLAIN),
            format.address("google/gemini 3@1", stream=True),
        )
        assert ("google%2Fgemini%203%401" in address) is not ("model" in body)
        assert "include" not in body


def test_a_list_of_models_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()

    def page(*_: object) -> dict[str, Any]:
        return {"data": [], "has_more": True, "last_id": str(next(numbers))}

    monkeypatch.setattr(ServerUnderTest, "get", page)
    with pytest.raises(CheckFailed, match="more than 50 pages"):
        model_names(ServerUnderTest("http://127.0.0.1:9", 1.0), Endpoint(BY_NAME["messages"], "/llm/anthropic", {}))


def test_the_command_line_knows_every_format() -> None:
    assert tuple(format.name for format in FORMATS) == PROTOCOLS

"""What an SDK's own stream helper accumulates equals the whole answer, to the last member.

Every member of the two objects is compared; the differences allowed are listed here, with reasons.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from openai._models import construct_type
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from nexus.conversation.events import Event, PartEnd, PartStart
from nexus.conversation.fold import fold
from nexus.conversation.parts import Reasoning
from nexus.protocols import loader
from nexus.wire import decode
from tests.examples import examples
from tests.protocols.kit import envelope
from tests.protocols.messages.kit import accumulated as accumulated_claude

from .items import accumulated
from .kit import CLIENTS, frames
from .streams import streams
from .test_answers import ASKED, fitted, written


def whole(client: str, events: list[Event]) -> dict[str, Any]:
    told = replace(fold(events), id="id", model="m")
    answer = loader.client(client).write_response(told, envelope(ASKED))
    shape: Any = {"chat": ChatCompletion, "messages": Message, "responses": Response}[client]
    return _dumped(construct_type(type_=shape, value=answer) if client != "messages" else Message.construct(**answer))


def added_up(client: str, raw: bytes) -> dict[str, Any]:
    match client:
        case "chat":
            return _chat(raw)
        case "messages":
            return _dumped(accumulated_claude((name, decode(data)) for name, data in frames(raw)))
        case _:
            return _dumped(accumulated(frames(raw))[-1].response)


def _dumped(answer: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    return dumped


def _chat(raw: bytes) -> dict[str, Any]:
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for _, data in frames(raw):
        if data != "[DONE]":
            state.handle_chunk(construct_type(type_=ChatCompletionChunk, value=decode(data)))  # type: ignore[arg-type]
    return _dumped(state.current_completion_snapshot)


@pytest.mark.parametrize("client", CLIENTS)
@examples(150)
@given(events=streams())
def test_the_accumulated_stream_equals_the_whole_answer(client: str, events: list[Event]) -> None:
    events = fitted(client, _known_early(events))
    assert _same(client, added_up(client, written(client, events))) == _same(client, whole(client, events))


def _known_early(events: list[Event]) -> Iterator[Event]:
    """A late signature of text or of a call follows it in a stream, and precedes it in a whole answer."""
    parts = {event.index: event.part for event in events if isinstance(event, PartStart)}
    for event in events:
        late = isinstance(event, PartEnd) and not isinstance(parts[event.index], Reasoning)
        yield PartEnd(event.index) if late and isinstance(event, PartEnd) else event


def _same(client: str, answer: dict[str, Any]) -> Any:
    """The answer without what the helpers add: extra fields besides a stop reason, cache lifetimes.

    The first chunk of a chat stream says "" for the text before it is known whether text will follow.
    """
    match client:
        case "chat":
            for choice in answer["choices"]:
                choice.pop("stop_reason", None)
                choice.pop("native_finish_reason", None)
                choice["message"]["content"] = choice["message"].get("content") or None
                for call in choice["message"].get("tool_calls", ()):
                    call.pop("index", None)
                    call["function"].pop("parsed_arguments", None)
        case "messages":
            answer.pop("native_finish_reason", None)
            answer["usage"].pop("cache_creation", None)
        case _:
            pass
    return answer

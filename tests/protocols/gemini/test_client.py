"""Gemini API clients: the laws that hold for every client dialect, checked against google-genai's published types.

Law: answers are processed here as Google's programs process them: the SDK keeps a stream chunk by chunk,
Gemini CLI joins the texts and leaves the thinking out.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from google.genai import types
from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.conversation.events import Event
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import (
    Citation,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Refusal,
    Request,
    Response,
    Stop,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.protocols.framing import JsonArray
from nexus.protocols.gemini.codec import CLIENT, VENDOR
from nexus.wire import decode, encode
from tests.examples import examples
from tests.laws.kit import TARGETS, VENDORS, check_body, frames, origin, write
from tests.laws.scripts import conversations
from tests.laws.streams import streams
from tests.laws.test_answers import fitted as fitted_for
from tests.laws.test_answers import read_back
from tests.laws.test_requests import _check as check_content
from tests.protocols.kit import answer_from, envelope

Wire = dict[str, Any]
fitted = partial(fitted_for, "gemini")


def raw_stream(events: Iterable[Event]) -> bytes:
    writer = CLIENT.stream_writer(envelope())
    return b"".join(map(writer.write, events))


def written(events: Iterable[Event]) -> list[Wire]:
    return [decode(data) for _, data in frames(raw_stream(events))]


def whole(answer: Response) -> Wire:
    return decode(encode(CLIENT.write_response(answer, envelope())))  # type: ignore[no-any-return]


def check_published(wire: Wire) -> None:
    """The SDK's types know every member; signatures and images are bytes to them."""
    types.GenerateContentResponse.model_validate_json(json.dumps(wire))


def content_of(wire: Wire) -> Wire:
    return wire["candidates"][0]["content"]  # type: ignore[no-any-return]


def through_the_sdk(content: Wire) -> Wire:
    """The value as the Python SDK holds it and sends it again: bytes in the other base64 alphabet."""
    held = types.Content.model_validate_json(json.dumps(content))
    return json.loads(held.model_dump_json(by_alias=True, exclude_none=True))  # type: ignore[no-any-return]


def brought_back(*contents: Wire) -> tuple[Part, ...]:
    hello = {"role": "user", "parts": [{"text": "hello"}]}
    read = CLIENT.read_request({"contents": [hello, *contents]})
    return read.request.messages[1].parts


def plain(parts: Iterable[Part]) -> list[Any]:
    """The parts as the dialect can hold them: no refusals, no citations in a history, arguments as an object,
    texts that nothing separates as one.
    """
    found: list[Any] = []
    for part in parts:
        match part:
            case ToolCall():
                found.append((part.id, part.name, json.loads(part.arguments or "{}"), part.signature))
            case Text() | Refusal():
                signature = part.signature if isinstance(part, Text) else None
                last = found[-1] if found else None
                if isinstance(last, Text) and last.signature is None:
                    found[-1] = Text(last.text + part.text, signature=signature)
                elif part.text or signature is not None:
                    found.append(Text(part.text, signature=signature))
            case Image():
                found.append((part.source, part.signature))
            case _:
                found.append(part)
    return found


class TestAnswers:
    @examples(150)
    @given(events=streams())
    def test_chunks_conform_to_the_published_types(self, events: list[Event]) -> None:
        chunks = written(fitted(events))
        for chunk in chunks:
            check_published(chunk)
        reasons = [chunk["candidates"][0].get("finishReason") for chunk in chunks]
        assert None not in reasons[-1:] and set(reasons[:-1]) <= {None}
        assert ["usageMetadata" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        check_published(whole(fold(fitted(events))))

    @examples(150)
    @given(events=streams())
    def test_the_dialects_own_reader_gives_the_same_answer(self, events: list[Event]) -> None:
        events = fitted(events)
        answer = fold(events)
        # The reader raises an error for an answer without content whose stop reason is unknown.
        assume(plain(answer.parts) or answer.stop.reason != "unknown")
        streamed, unary = (
            fold(read_back("gemini", raw_stream(events))),
            answer_from(whole(answer), VENDOR.stream_reader(origin())),
        )
        assert streamed.usage.total == unary.usage.total == answer.usage.total
        assert streamed.usage.reasoning == answer.usage.reasoning
        assert streamed.stop.reason == unary.stop.reason == told_stop(answer)
        assert cited(streamed.parts) == cited(unary.parts)

    @examples(150)
    @given(events=streams())
    def test_streamed_and_whole_answers_return_with_every_signature(self, events: list[Event]) -> None:
        events = fitted(events)
        answer = fold(events)
        wanted = plain(answer.parts)
        assert plain(brought_back(*map(content_of, written(events)))) == wanted
        assert plain(brought_back(content_of(whole(answer)))) == wanted
        assert plain(brought_back(through_the_sdk(content_of(whole(answer))))) == wanted
        assert plain(fold(list(unfold(answer))).parts) == wanted

    @examples(60)
    @given(events=streams(), sizes=st.lists(st.integers(1, 9), min_size=1))
    def test_a_json_array_has_the_same_chunks(self, events: list[Event], sizes: list[int]) -> None:
        raw = raw_stream(fitted(events))
        framing, pieces = JsonArray().begin(), raw.split(b"\n\n")[:-1]
        told = framing.put(b": ping\n")
        while pieces:
            size = sizes[len(pieces) % len(sizes)]
            told += framing.put(b"".join(piece + b"\n\n" for piece in pieces[:size])) + framing.put(b": ping\n")
            pieces = pieces[size:]
        assert json.loads(told + framing.end()) == written(fitted(events))


def cited(parts: Iterable[Part]) -> list[Any]:
    texts = [part for part in parts if isinstance(part, Text)]
    return [(one.url, one.title, text.text[one.start : one.end]) for text in texts for one in text.citations]


def test_a_citation_of_nothing_is_one_of_the_whole_text() -> None:
    """OpenRouter's, for models that search with its plugin (pydantic-ai's recording)."""
    words = Text("Ü so.", citations=(Citation(0, 0, "https://e.org", "e"), Citation(0, 1, "https://f.org", "f")))
    answer = Response("id", "m", (words,), Stop("end"))
    for wire in (whole(answer), written(list(unfold(answer)))[-1]):
        supports = wire["candidates"][0]["groundingMetadata"]["groundingSupports"]
        assert [one["segment"]["text"] for one in supports] == ["Ü so.", "Ü"]


def told_stop(answer: Response) -> str:
    """Stop reasons that the dialect lacks become the nearest one that it has; calls are told from their parts."""
    ends = dict.fromkeys(("stop_sequence", "tool_use"), "end")
    nearest = {"refusal": "content_filter", "pause": "max_tokens", "context_window": "max_tokens", **ends}
    return nearest.get(answer.stop.reason, answer.stop.reason)


def wire_of(request: Request) -> Wire:
    """The request as an SDK user writes it, with the assistant's turns as they were returned."""
    names = {part.id: part.name for m in request.messages for part in m.parts if isinstance(part, ToolCall)}
    body: Wire = {"contents": [_content(message, names) for message in request.messages]}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": part.text} for part in request.system]}
    if request.tools:
        tools = [
            {"name": tool.name, "parametersJsonSchema": tool.parameters or {"type": "object"}}
            | ({"description": tool.description} if tool.description else {})
            for tool in request.tools
        ]
        body["tools"] = [{"functionDeclarations": tools}]
    return body


def _content(message: Message, names: dict[str, str]) -> Wire:
    if message.role == "assistant":
        answer = Response("id", "m", message.parts, Stop("end"))  # type: ignore[arg-type]
        return content_of(whole(answer))
    return {"role": "user", "parts": [_part(part, names) for part in message.parts]}


def _part(part: Part, names: dict[str, str]) -> Wire:
    match part:
        case Text():
            return {"text": part.text}
        case Image(source=Inline(media_type=media_type, data=data)):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case Document(source=Inline(data=data), title=title):
            return {"inlineData": {"mimeType": "application/pdf", "data": data, "displayName": title}}
        case Document(source=Text(text=words), title=title):
            data = base64.urlsafe_b64encode(words.encode()).decode()
            return {"inlineData": {"mimeType": "text/plain", "data": data, "displayName": title}}
        case ToolResult():
            words = "".join(inner.text for inner in part.parts if isinstance(inner, Text))
            media = [_part(inner, names) for inner in part.parts if not isinstance(inner, Text)]
            response = {"error" if part.is_error else "output": words}
            wire: Wire = {"id": part.call_id, "name": names[part.call_id], "response": response}
            return {"functionResponse": wire | ({"parts": media} if media else {})}
        case _:
            raise TypeError(part)


def sayable(said: Request) -> Request:
    """The request without what the dialect cannot hold: system messages among the others, cache hints, a document's
    context, links; neighbouring texts in a result or of the assistant are one.
    """
    messages = tuple(replace(m, parts=tuple(map(_sayable, m.parts))) for m in said.messages if m.role != "system")
    tools = tuple(replace(tool, cache=None) for tool in said.tools)
    system = tuple(replace(text, cache=None) for text in said.system)
    return replace(said, messages=messages, tools=tools, system=system, tool_choice=None)


def _sayable(part: Part) -> Part:
    match part:
        case Document(source=source):
            return replace(
                part, source=Text("linked") if isinstance(source, Link) else source, context=None, cache=None
            )
        case Image(source=Link()):
            return Text("linked")
        case ToolResult():
            return replace(part, parts=tuple(map(_sayable, part.parts)), cache=None)  # type: ignore[arg-type]
        case Text() | Image() | ToolCall():
            return replace(part, cache=None)
        case _:
            return part


@pytest.mark.parametrize("vendor", VENDORS)
@examples(60)
@given(said=conversations())
def test_conversations_arrive_complete_at_every_vendor(vendor: str, said: Request) -> None:
    said = sayable(said)
    asked = CLIENT.read_request(decode(encode(wire_of(said))))
    for target in TARGETS[vendor]:
        sent = write(vendor, asked.request, target)
        check_body(vendor, sent.body)
        check_content("messages", vendor, target, said, sent.body, (*asked.dropped, *sent.dropped))

"""Any answer, streamed to any client: the client gets all of it, and returns the vendor's signatures."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import Event, Order
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import Image, Inline, Part, Reasoning, Refusal, Response, Text, ToolCall
from nexus.protocols import loader
from nexus.protocols.contract import StreamWriter, through
from nexus.protocols.tidy import Fitted, Tidy
from tests.examples import examples
from tests.protocols.kit import envelope

from .items import as_codex
from .kit import CLIENTS, Turn, check_stream, echo, echo_stream, frames, origin, parts_of_echo, read
from .streams import streams

FUNCTION, CUSTOM = {"type": "function", "name": "1"}, {"type": "custom", "name": "2"}
TOOLS = [
    {"type": "namespace", "name": "tool", "description": "all", "tools": [FUNCTION, CUSTOM]},
    {"type": "custom", "name": "tool__3"},
]
ASKED = read("responses", {"model": "m", "input": "x", "tools": TOOLS}).request
"""Tools that only Responses clients have; the streams call some of them."""

CUSTOM_NAMES = ("tool__2", "tool__3")


def writing(client: str) -> StreamWriter:
    return loader.client(client).stream_writer(envelope(ASKED))


def written(client: str, events: Iterable[Event]) -> bytes:
    return b"".join(map(writing(client).write, events))


def fitted(client: str, events: Iterable[Event]) -> list[Event]:
    """The part of any answer that the client can hold."""
    return list(through((Tidy(origin().new_id), Fitted(loader.client(client).room)), events))


def whole(client: str, answer: Response) -> list[Turn]:
    return echo(client, loader.client(client).write_response(answer, envelope(ASKED)))


def read_back(client: str, raw: bytes) -> list[Event]:
    """The events as read by the reader of the same dialect, like another gateway in front of this one."""
    reader, order = loader.vendor(client).stream_reader(origin()), Order()
    events = [event for name, data in frames(raw) for event in reader.feed(name, data)] + reader.finish()
    for event in events:
        order.check(event)
    assert reader.complete
    return events


def arguments(client: str, call: ToolCall) -> Any:
    """If a custom tool did not get an ``input`` member, all of its arguments are the input."""
    found = json.loads(call.arguments or "{}")
    if client == "responses" and call.name in CUSTOM_NAMES and "input" not in found:
        return {"input": call.arguments}
    return found


def content(client: str, parts: Iterable[Part]) -> Any:
    """The content that a client's dialect can express: chat has one string per kind, the others the order."""
    told = list(parts)
    calls = [(part.id, part.name, arguments(client, part)) for part in told if isinstance(part, ToolCall)]
    if client == "chat":
        kinds = (Reasoning, Text, Refusal)
        images = [part.source.data for part in told if isinstance(part, Image) and isinstance(part.source, Inline)]
        return calls, images, ["".join(part.text for part in told if isinstance(part, kind)) for kind in kinds]
    return [
        (part.id, part.name, arguments(client, part))
        if isinstance(part, ToolCall)
        else part.source
        if isinstance(part, Image)
        else ("reasoning" if isinstance(part, Reasoning) else "text", getattr(part, "redacted", False), part.text)
        for part in told
        if isinstance(part, Text | Reasoning | Refusal | ToolCall | Image) and not _silent(client, part)
    ]


def _silent(client: str, part: Part) -> bool:
    """Thinking without text: a signature alone, or nothing. Responses has no text parts without text either."""
    if client == "responses":
        return isinstance(part, Text | Reasoning) and not part.text
    return isinstance(part, Reasoning) and not part.text and not part.redacted


@pytest.mark.parametrize("client", CLIENTS)
@examples(150)
@given(events=streams())
def test_the_dialects_own_reader_gives_the_same_answer(client: str, events: list[Event]) -> None:
    events = fitted(client, events)
    order = Order()
    for event in events:
        order.check(event)
    raw = written(client, events)
    check_stream(client, raw)
    answer, found = fold(events), fold(through((Tidy(origin().new_id),), read_back(client, raw)))
    assert content(client, found.parts) == content(client, answer.parts)
    assert _cited(client, found.parts) == _cited(client, answer.parts)
    # Messages streams begin with an estimate, which stands if no input is ever reported.
    if client != "messages" or answer.usage.total_input:
        assert found.usage.total == answer.usage.total
    assert found.stop.reason == _told_stop(client, answer)


def _cited(client: str, parts: Iterable[Part]) -> list[Any]:
    """The sources of the answer, in order; Messages cites whole blocks, and in chat all content is one text."""
    told = [(part, citation) for part in parts if isinstance(part, Text) for citation in part.citations]
    if client == "responses":
        return [citation for _, citation in told]
    return [(citation.url, citation.title) for _, citation in told]


def _told_stop(client: str, answer: Response) -> str:
    """Stop reasons that a dialect lacks become the nearest one that it has."""
    refused = any(isinstance(part, Refusal) for part in answer.parts)
    reason = answer.stop.reason
    if client == "messages":
        return {"unknown": "max_tokens", "content_filter": "refusal"}.get(reason, reason)
    if client == "responses" and reason == "stop_sequence":
        # Its clients cannot set stop sequences.
        reason = "end"
    if reason in ("end", "refusal") and refused:
        return "refusal"
    return {"refusal": "content_filter", "pause": "max_tokens", "unknown": "max_tokens"}.get(reason, reason)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", ["stream", "whole"])
@examples(100)
@given(events=streams())
def test_the_sdks_message_returns_with_every_signature(client: str, way: str, events: list[Event]) -> None:
    events = fitted(client, events)
    answer = fold(events)
    assert fold(unfold(answer)) == answer
    turns = echo_stream(client, written(client, events)) if way == "stream" else whole(client, answer)
    back = parts_of_echo(client, turns)
    if client != "chat":
        kept = _kept(answer.parts) if client == "messages" else answer.parts
        assert _plainly(client, back) == _plainly(client, kept)
        assert client == "messages" or parts_of_echo(client, as_codex(turns)) == back
        return
    assert content(client, back) == content(client, answer.parts)
    calls, made = ([part for part in parts if isinstance(part, ToolCall)] for parts in (back, answer.parts))
    assert _plainly(client, calls) == _plainly(client, made)
    assert _last_signature(back) == _last_signature(answer.parts)
    if any(isinstance(part, Reasoning) and part.signature is not None for part in answer.parts):
        for kind in (Text, ToolCall):
            assert _around(back, kind) == _around(answer.parts, kind)


def _kept(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A Messages answer has no signature of its last text (messages/write_response)."""
    match parts:
        case (*before, Text() as last):
            return (*before, replace(last, signature=None))
        case _:
            return parts


def _plainly(client: str, parts: Iterable[Part]) -> list[Any]:
    """The parts as the client can hold them: Messages has no refusals, Responses no empty unsigned text."""
    nothing = Text("") if client == "responses" else None
    return [_plain(client, part) for part in parts if part != nothing]


def _plain(client: str, part: Part) -> Any:
    match part:
        case ToolCall(id=id, name=name, signature=signature):
            return id, name, arguments(client, part), signature
        case Refusal(text=words) if client == "messages":
            return Text(words)
        case Text():
            # Histories hold no citations.
            return replace(part, citations=())
        case _:
            return part


def _last_signature(parts: Iterable[Part]) -> Any:
    """Chat has one place for the signatures of all texts."""
    return next((part.signature for part in reversed(list(parts)) if isinstance(part, Text) and part.signature), None)


def _around(parts: Iterable[Part], kind: type) -> list[Any]:
    """Reasoning among parts of one kind; neighbouring texts are joined."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, Reasoning):
            found.append(part)
        elif isinstance(part, Text) and kind is Text:
            if found and isinstance(found[-1], str):
                found[-1] += part.text
            elif part.text:
                found.append(part.text)
        elif isinstance(part, kind) and isinstance(part, ToolCall):
            found.append(part.id)
    return found


@pytest.mark.parametrize("client", CLIENTS)
@examples(80)
@given(events=streams(), part=st.floats(0, 1))
def test_a_cut_stream_closes_every_part_and_has_no_end(client: str, events: list[Event], part: float) -> None:
    writer = writing(client)
    events = fitted(client, events)
    cut = events[: round(part * (len(events) - 1))]
    check_stream(client, b"".join(map(writer.write, cut)), ended=False)

"""Any answer, streamed to either client: the client has all of it, and brings the vendor's seals back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation import Part, Reasoning, Refusal, Response, Text, ToolCall
from nexus.events import Event, Order
from nexus.fold import fold, unfold
from nexus.protocols import codecs

from .kit import CLIENTS, check_stream, echo, echo_stream, frames, laws, origin, parts_of_echo
from .streams import streams


def written(client: str, events: Iterable[Event]) -> bytes:
    writer = codecs.client(client).stream_writer(model="m", response_id="id", created=1, include_usage=True)
    return b"".join(map(writer.write, events))


def read_back(client: str, raw: bytes) -> list[Event]:
    """By the reader of the same dialect, as a gateway behind this gateway would."""
    reader, order = codecs.vendor(client).stream_reader(origin()), Order()
    events = [event for name, data in frames(raw) for event in reader.feed(name, data)] + reader.finish()
    for event in events:
        order.check(event)
    assert reader.complete
    return events


def arguments(call: ToolCall) -> Any:
    return json.loads(call.arguments or "{}")


def content(client: str, parts: Iterable[Part]) -> Any:
    """What a client's dialect can tell of an answer: chat has one string per kind, Messages the order."""
    told = list(parts)
    calls = [(part.id, part.name, arguments(part)) for part in told if isinstance(part, ToolCall)]
    if client == "chat":
        kinds = (Reasoning, Text, Refusal)
        return calls, ["".join(part.text for part in told if isinstance(part, kind)) for kind in kinds]
    return [
        (part.id, part.name, arguments(part))
        if isinstance(part, ToolCall)
        else ("reasoning" if isinstance(part, Reasoning) else "text", getattr(part, "redacted", False), part.text)
        for part in told
        if isinstance(part, Text | Reasoning | Refusal | ToolCall) and not _carrier(part)
    ]


def _carrier(part: Part) -> bool:
    """Thinking without words: a seal on its way, or nothing."""
    return isinstance(part, Reasoning) and not part.text and not part.redacted


@pytest.mark.parametrize("client", CLIENTS)
@laws(150)
@given(events=streams())
def test_the_dialects_own_reader_finds_the_same_answer(client: str, events: list[Event]) -> None:
    order = Order()
    for event in events:
        order.check(event)
    raw = written(client, events)
    check_stream(client, raw)
    answer, found = fold(events), fold(read_back(client, raw))
    assert content(client, found.parts) == content(client, answer.parts)
    assert found.usage.total == answer.usage.total
    assert found.stop.reason == _told_stop(client, answer)


def _told_stop(client: str, answer: Response) -> str:
    """The reasons that a dialect has no word for become the nearest it has."""
    refused = any(isinstance(part, Refusal) for part in answer.parts)
    reason = answer.stop.reason
    if client == "messages":
        return "refusal" if reason == "content_filter" or (refused and reason == "end") else reason
    if reason in ("end", "refusal", "stop_sequence") and refused:
        return "refusal"
    return {"refusal": "content_filter", "pause": "max_tokens"}.get(reason, reason)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", ["stream", "whole"])
@laws(100)
@given(events=streams())
def test_the_sdks_message_comes_back_with_every_seal(client: str, way: str, events: list[Event]) -> None:
    answer = fold(events)
    if way == "stream":
        turn = echo_stream(client, written(client, events))
    else:
        turn = echo(client, codecs.client(client).write_response(answer, created=1))
    back = parts_of_echo(client, turn)
    if client == "messages":
        assert [_plain(part) for part in back] == [_plain(part) for part in answer.parts]
        return
    assert content(client, back) == content(client, answer.parts)
    assert [_plain(part) for part in back if isinstance(part, ToolCall)] == [
        _plain(part) for part in answer.parts if isinstance(part, ToolCall)
    ]
    assert _last_seal(back) == _last_seal(answer.parts)
    if any(isinstance(part, Reasoning) and part.seal is not None for part in answer.parts):
        for kind in (Text, ToolCall):
            assert _around(back, kind) == _around(answer.parts, kind)


def _plain(part: Part) -> Any:
    """A part as a Messages client can hold it."""
    match part:
        case ToolCall(id=id, name=name, seal=seal):
            return id, name, arguments(part), seal
        case Refusal(text=words):
            return Text(words)
        case _:
            return part


def _last_seal(parts: Iterable[Part]) -> Any:
    """Chat has one place for the seals of all text."""
    return next((part.seal for part in reversed(list(parts)) if isinstance(part, Text) and part.seal), None)


def _around(parts: Iterable[Part], kind: type) -> list[Any]:
    """Reasoning among parts of one kind; neighbouring text is one."""
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
@laws(60)
@given(events=streams())
def test_a_stream_and_the_whole_answer_say_the_same(client: str, events: list[Event]) -> None:
    whole = list(unfold(fold(events)))
    assert fold(whole) == fold(events)
    one, other = (parts_of_echo(client, echo_stream(client, written(client, told))) for told in (events, whole))
    assert [_plain(part) for part in one] == [_plain(part) for part in other]


@pytest.mark.parametrize("client", CLIENTS)
@laws(80)
@given(events=streams(), part=st.floats(0, 1))
def test_wherever_it_is_cut_all_is_closed_and_nothing_ends(client: str, events: list[Event], part: float) -> None:
    writer = codecs.client(client).stream_writer(model="m", response_id="id", created=1, include_usage=True)
    cut = events[: round(part * (len(events) - 1))]
    check_stream(client, b"".join(map(writer.write, cut)) + writer.abort(), ended=False)

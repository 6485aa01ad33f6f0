"""Folds the events of a stream into one complete answer.

Law: ``fold(read(stream)) == read(unary)`` for every vendor; one test ties both paths together.
"""

from __future__ import annotations

from collections.abc import Iterable

from nexus.conversation.events import (
    Cited,
    Event,
    IllegalOrder,
    PartDelta,
    PartEnd,
    PartStart,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.parts import (
    Citation,
    Image,
    Reasoning,
    Refusal,
    Response,
    Signature,
    Stop,
    StreamPart,
    Text,
    ToolCall,
)
from nexus.conversation.usage import Usage
from nexus.dataclasses import replace


def fold(events: Iterable[Event]) -> Response:
    """The answer that a stream adds up to. Raises IllegalOrder if it has no start or no end."""
    start: ResponseStart | None = None
    stop: Stop | None = None
    usage = Usage()
    parts: list[StreamPart] = []
    pieces: list[list[str]] = []
    citations: dict[int, list[Citation]] = {}
    for event in events:
        match event:
            case ResponseStart():
                start, usage = event, event.usage
            case PartStart(part=part):
                parts.append(part)
                pieces.append([])
            case PartDelta(index=index, text=text):
                pieces[index].append(text)
            case Cited(index=index, citation=citation):
                citations.setdefault(index, []).append(citation)
            case PartEnd(index=index, signature=signature) if signature is not None:
                parts[index] = _signed(parts[index], signature)
            case UsageUpdate():
                usage = event.usage
            case ResponseEnd():
                stop = event.stop
    if start is None or stop is None:
        raise IllegalOrder("the stream has no start" if start is None else "the stream has no end")
    whole = [_extended(part, "".join(more)) for part, more in zip(parts, pieces, strict=True)]
    for index, found in citations.items():
        whole[index] = _cited(whole[index], found)
    return Response(id=start.id, model=start.model, parts=tuple(whole), stop=stop, usage=usage)


def unfold(response: Response) -> Iterable[Event]:
    """The stream for ``response``, with one delta per part."""
    yield ResponseStart(response.id, response.model, replace(response.usage, output=0, reasoning=0))
    for index, part in enumerate(response.parts):
        match part:
            case Text(text=words):
                yield PartStart(index, replace(part, text="", citations=()))
            case Reasoning(text=words) | Refusal(text=words):
                yield PartStart(index, replace(part, text=""))
            case ToolCall(arguments=words):
                yield PartStart(index, replace(part, arguments=""))
            case Image():
                words = ""
                yield PartStart(index, part)
        if words:
            yield PartDelta(index, words)
        if isinstance(part, Text):
            yield from (Cited(index, citation) for citation in part.citations)
        yield PartEnd(index)
    yield UsageUpdate(response.usage)
    yield ResponseEnd(response.stop)


def _signed(part: StreamPart, signature: Signature) -> StreamPart:
    match part:
        case Refusal():
            raise IllegalOrder("a refusal has no signature")
        case _:
            return replace(part, signature=signature)


def _cited(part: StreamPart, citations: list[Citation]) -> StreamPart:
    if not isinstance(part, Text):
        raise IllegalOrder(f"a citation in a {type(part).__name__}")
    return replace(part, citations=(*part.citations, *citations))


def _extended(part: StreamPart, more: str) -> StreamPart:
    if not more:
        return part
    match part:
        case ToolCall(arguments=arguments):
            return replace(part, arguments=arguments + more)
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
            return replace(part, text=text + more)
        case Image():
            raise IllegalOrder("an image comes whole")

"""The neutral form of a streamed answer.

Explicit start and end of everything, as ``grammar`` has it; part indexes count up from 0 in order of their start.
Parts may be open at the same time (vendors interleave parallel tool calls); a dialect that forbids it buffers in its
writer. A citation may come after the end of its part, for some vendors tell their sources last.
"""

from __future__ import annotations

from dataclasses import field

from nexus.conversation.parts import Citation, Image, Reasoning, Refusal, Signature, Stop, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass

StreamPart = Text | Reasoning | ToolCall | Refusal | Image
"""What an answer is made of; in ``PartStart`` it holds what is known at the start (text, arguments mostly "").

An image is whole there.
"""


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """``usage`` holds what the vendor already knows (the input side), zeros otherwise."""

    id: str
    model: str
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class PartStart:
    index: int
    part: StreamPart


@dataclass(frozen=True, slots=True)
class PartDelta:
    """More text; for a ToolCall, more of the arguments' JSON text."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """What words of a Text rest on; they came before."""

    index: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class PartEnd:
    """``signature`` is set when the part's opaque value was only known at its end."""

    index: int
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class UsageUpdate:
    """The usage so far, whole: it replaces the earlier one."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class ContentDropped:
    """The answer held something that has no counterpart; ``dropped`` names it in the vendor's words."""

    dropped: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The upstream is alive."""


@dataclass(frozen=True, slots=True)
class ResponseEnd:
    stop: Stop


Event = ResponseStart | PartStart | PartDelta | Cited | PartEnd | UsageUpdate | ContentDropped | Ping | ResponseEnd


def starts_thinking(event: Event) -> bool:
    return isinstance(event, PartStart) and isinstance(event.part, Reasoning)


def has_content(event: Event) -> bool:
    """Whether an event carries some of what an answer consists of, rather than saying that it began or goes on."""
    match event:
        case PartDelta(text=words):
            return bool(words)
        case PartStart(part=part):
            return _is_filled(part)
        case PartEnd(signature=signature):
            return signature is not None and bool(signature.value)
        case Cited():
            return True
        case _:
            return False


def _is_filled(part: StreamPart) -> bool:
    match part:
        case ToolCall(arguments=words):
            return bool(words)
        case Reasoning(text=words, signature=signature):
            return bool(words) or (signature is not None and bool(signature.value))
        case Text(text=words, citations=citations):
            return bool(words) or bool(citations)
        case Refusal(text=words):
            return bool(words)
        case Image():
            return True

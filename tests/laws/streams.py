"""Random answers as streams of neutral events, in any interleaving that the grammar allows."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from nexus.conversation.events import (
    Cited,
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.parts import (
    Citation,
    Image,
    Inline,
    Reasoning,
    Refusal,
    Signature,
    Stop,
    StopReason,
    StreamPart,
    Text,
    ToolCall,
)
from nexus.conversation.usage import Usage

WORDS = st.text('ab \n{}"\\é\u2028\r🎈', min_size=1, max_size=6)
USAGE = st.builds(Usage, *[st.integers(0, 9)] * 3, st.just(0), *[st.integers(0, 9)] * 2)
ASIDES: st.SearchStrategy[Event] = st.sampled_from([Ping(), ContentDropped("citations")])


@dataclass
class Told:
    """A part with its pieces; ``early``: its signature is known at the start."""

    part: StreamPart
    pieces: list[str] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    signature: Signature | None = None
    early: bool = False

    @property
    def start(self) -> StreamPart:
        return (
            replace(self.part, signature=self.signature)
            if self.early and not isinstance(self.part, Refusal)
            else self.part
        )


def _signature(number: int, dialect: str) -> Signature | None:
    value = base64.b64encode(f"seal<{number}>".encode()).decode()
    match dialect:
        case "":
            return None
        case "chat":
            return Signature("chat", json.dumps({"made": {"signature": value}}, separators=(",", ":")))
        case "unsigned":
            return Signature("gemini", "")
        case _:
            return Signature(dialect, value)


@st.composite
def _told(draw: st.DrawFn, number: int, signer: str) -> Told:
    """``signer`` is the one vendor that made the answer."""
    early = draw(st.booleans())
    pieces = draw(st.lists(WORDS, max_size=3))
    match draw(st.sampled_from(["text", "text", "reasoning", "redacted", "call", "call", "refusal", "image"])):
        case "text":
            signature = _signature(number, signer if signer in ("gemini", "chat") and draw(st.booleans()) else "")
            citations = draw(st.lists(st.integers(0, len("".join(pieces))).map(_citation), max_size=2))
            return Told(Text(""), pieces, citations if pieces else [], signature, early)
        case "image":
            signature = _signature(number, signer if signer == "gemini" and draw(st.booleans()) else "")
            data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes([number])).decode()
            return Told(Image(Inline("image/png", data)), signature=signature, early=True)
        case "reasoning":
            signature = (
                _signature(number, "gemini" if signer == "unsigned" else signer)
                if signer != "chat"
                else Signature("chat", "")
            )
            return Told(
                Reasoning(""), pieces, [], _signature(0, "unsigned") if signer == "unsigned" else signature, early
            )
        case "redacted" if signer in ("messages", "converse"):
            return Told(Reasoning("", redacted=True), [], [], _signature(number, signer), early)
        case "refusal":
            return Told(Refusal(""), [*pieces, "no"])
        case _:
            signature = _signature(number, signer if signer in ("gemini", "chat") and draw(st.booleans()) else "")
            return Told(ToolCall(f"call_{number}", f"tool__{number}", ""), draw(_arguments()), [], signature, early)


def _citation(end: int) -> Citation:
    return Citation(0, end, f"https://e.org/{end}", "a title")


@st.composite
def _arguments(draw: st.DrawFn) -> list[str]:
    given = ["", "{}", '{"a": "é\\u2028", "b": [1, {"c": null}]}', '{"x": "}{"}', '{"input": "*** é\\n"}']
    whole = draw(st.sampled_from(given))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [piece for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if (piece := whole[a:b])]


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Parts may be open at the same time; vendors interleave calls, but so far no text with text."""
    signer = draw(st.sampled_from(["messages", "gemini", "unsigned", "converse", "chat", ""]))
    waiting = [draw(_told(number, signer)) for number in range(draw(st.integers(0, 5)))]
    calls = any(isinstance(told.part, ToolCall) for told in waiting)
    usage = draw(USAGE)
    start = ResponseStart("id", "the-model", replace(usage, output=0, reasoning=0))
    events: list[Event] = [start, *_body(draw, waiting), UsageUpdate(usage)]
    endings: list[StopReason] = ["end", "max_tokens", "stop_sequence", "refusal", "content_filter", "pause", "unknown"]
    if calls:
        endings = ["tool_use", "tool_use", "tool_use", "max_tokens", "content_filter"]
    reason = draw(st.sampled_from(endings))
    stop = Stop(reason, sequence="X" if reason == "stop_sequence" else None, raw="odd" if reason == "unknown" else None)
    return [*events, ResponseEnd(stop)]


def _body(draw: st.DrawFn, waiting: list[Told]) -> Iterator[Event]:
    opened: dict[int, Told] = {}
    started = 0
    while opened or started < len(waiting):
        moves = [("go", index) for index in opened]
        if started < len(waiting) and not _blocked(waiting[started], opened):
            moves.append(("start", started))
        move, index = draw(st.sampled_from(moves))
        if draw(st.integers(0, 9)) == 0:
            yield draw(ASIDES)
        if move == "start":
            opened[index] = waiting[index]
            started += 1
            yield PartStart(index, waiting[index].start)
        elif opened[index].pieces:
            yield PartDelta(index, opened[index].pieces.pop(0))
        elif opened[index].citations:
            yield Cited(index, opened[index].citations.pop(0))
        else:
            told = opened.pop(index)
            yield PartEnd(index, None if told.early else told.signature)


def _blocked(new: Told, opened: dict[int, Told]) -> bool:
    return not isinstance(new.part, ToolCall) and any(type(one.part) is type(new.part) for one in opened.values())

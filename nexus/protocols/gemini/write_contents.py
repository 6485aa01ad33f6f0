"""The conversation as Gemini's alternating ``user`` and ``model`` contents.

Law, in the order of the vendor's requirements: consecutive messages of one role are one content, and the first is the
user's (hermes-agent #55427, archestra #6258); the function responses of a turn come first, in the order of their calls,
then media from tool results, then everything else. A system message in the middle of the conversation keeps its place
as user text between <system> tags; one before any turn joins the system instruction. Only thought signatures of this
dialect are sent, on the same part that they came with. An image of a type that Google does not accept is refused in the
last turn of the user, where its sender can change it; in earlier turns and in tool results, which are repeated in every
later request, it becomes text. Source: ai.google.dev/gemini-api/docs/function-calling and /thought-signatures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import UnsupportedFeature
from nexus.late import pattern
from nexus.models.gemini import Gemini
from nexus.protocols.checks import Drops
from nexus.protocols.gemini.media import foreign_type, media_parts, result_media, write_result_response
from nexus.protocols.gemini.signatures import OWN, PLACEHOLDER
from nexus.protocols.media import LOST, unseen
from nexus.protocols.tool_calls import BROKEN, ToolIds, an_object_of
from nexus.wire import Json

NO_MESSAGE = "(no message)"
"""First message of a conversation that begins with an answer."""

_IDS = pattern(r"[A-Za-z0-9_.:-]{1,128}")


_Shown = TypeVar("_Shown", bound=Part)


@dataclass(slots=True)
class _Call:
    name: str
    order: int


@dataclass(slots=True)
class _Turn:
    role: str
    origin: str
    parts: list[Json] = field(default_factory=list)
    results: list[tuple[int, Json]] = field(default_factory=list)
    media: list[Json] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.parts or self.results or self.media)

    def whole(self) -> list[Json]:
        ordered = [response for _, response in sorted(self.results, key=lambda result: result[0])]
        return [*ordered, *self.media, *self.parts]


class ContentsWriter:
    """Collects messages; ``system`` and ``contents`` are the result."""

    def __init__(self, gemini: Gemini, drops: Drops) -> None:
        self.system: list[Json] = []
        self._gemini = gemini
        self._drops = drops
        self._ids = ToolIds(_IDS)
        self._calls: dict[str, _Call] = {}
        self._turns: list[_Turn] = []

    def add_system(self, parts: Iterable[Part]) -> None:
        self.system += [{"text": part.text} for part in parts if isinstance(part, Text) and part.text]

    def add(self, message: Message, path: str, *, last: bool) -> None:
        """``last`` is for messages of the user's last turn."""
        if message.name is not None:
            self._drops.add("messages.name")
        if message.role == "system":
            self._add_system_message(message, path)
            return
        role = "model" if message.role == "assistant" else "user"
        turn = self._turn(role, path)
        for index, part in enumerate(message.parts):
            where = f"{path}.content.{index}"
            self._add_part(turn, part if last else self._shown(part, where), where)
        if turn.is_empty:
            self._turns.pop()

    def contents(self) -> list[Json]:
        """Raises UnsupportedFeature for a prefill that the model rejects."""
        if self._turns and self._turns[-1].role == "model" and not self._gemini.prefill:
            raise UnsupportedFeature.about(
                self._turns[-1].origin, "this model does not continue an assistant message; end with a user message"
            )
        if self._turns and self._turns[0].role == "model":
            self._turns.insert(0, _Turn("user", "messages", [{"text": NO_MESSAGE}]))
        for turn in self._turns:
            if turn.role == "model" and self._gemini.thought_signatures:
                _sign_first_call(turn.parts)
        return [{"role": turn.role, "parts": turn.whole()} for turn in self._turns]

    def _turn(self, role: str, path: str) -> _Turn:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role, path))
        return self._turns[-1]

    def _add_system_message(self, message: Message, path: str) -> None:
        words = [part.text for part in message.parts if isinstance(part, Text) and part.text]
        if not self._turns:
            self.add_system(message.parts)
        elif words:
            self._turn("user", path).parts += [{"text": f"<system>\n{text}\n</system>"} for text in words]

    def _add_part(self, turn: _Turn, part: Part, path: str) -> None:
        match part:
            case Text(text=words, signature=signature):
                signed = _signature(signature) if turn.role == "model" else {}
                if words or signed:
                    turn.parts.append({"text": words} | signed)
            case Refusal(text=words):
                turn.parts += [{"text": words}] if words else []
            case Image() if turn.role == "model":
                turn.parts += self._model_image(part, path)
            case Image(detail=detail):
                if detail not in (None, "auto"):
                    self._drops.add("messages.image.detail")
                turn.parts += media_parts(part, self._gemini, path)
            case Document() | Audio():
                turn.parts += media_parts(part, self._gemini, path)
            case Reasoning(text=words, signature=signature):
                if signed := _signature(signature):
                    turn.parts.append({"text": words, "thought": True} | signed)
                else:
                    self._drops.add("messages.reasoning")
            case ToolCall():
                self._add_call(turn, part)
            case ToolResult():
                self._add_result(turn, part, path)

    def _model_image(self, image: Image, path: str) -> list[Json]:
        """An image that a model made, or text in its place: a refusal would repeat with every later request."""
        try:
            (wire,) = media_parts(image, self._gemini, path)
        except UnsupportedFeature:
            self._drops.add(LOST)
            return [{"text": unseen(image).text}]
        signature = _signature(image.signature)
        if not signature and self._gemini.thought_signatures:
            signature = {"thoughtSignature": PLACEHOLDER}
        return [wire | signature]

    def _shown(self, part: _Shown, path: str) -> _Shown | Text:
        """The part, or text in its place if it is an image that the model cannot be shown."""
        if not isinstance(part, Image) or (media_type := foreign_type(part)) is None:
            return part
        self._drops.add(f"{path}.{media_type}")
        return unseen(part)

    def _add_call(self, turn: _Turn, call: ToolCall) -> None:
        self._calls[call.id] = _Call(call.name, len(self._calls))
        arguments, whole = an_object_of(call.arguments)
        if not whole:
            self._drops.add(BROKEN)
        wire: dict[str, Json] = {"name": call.name, "args": arguments}
        if self._gemini.function_ids:
            wire = {"id": self._ids[call.id]} | wire
        turn.parts.append({"functionCall": wire} | _signature(call.signature))

    def _add_result(self, turn: _Turn, result: ToolResult, path: str) -> None:
        call = self._calls[result.call_id]
        shown = (self._shown(part, f"{path}.content.{index}") for index, part in enumerate(result.parts))
        result = replace(result, parts=tuple(shown))
        wire: dict[str, Json] = {"name": call.name, "response": write_result_response(result)}
        if self._gemini.function_ids:
            wire = {"id": self._ids[result.call_id]} | wire
        inside, beside = result_media(result, self._gemini, path)
        if inside:
            wire["parts"] = inside
        if beside:
            turn.media += [{"text": f"Attached to the result of {call.name}:"}, *beside]
        turn.results.append((call.order, {"functionResponse": wire}))


def _signature(signature: Signature | None) -> dict[str, Json]:
    own = signature is not None and signature.dialect == OWN and signature.value
    return {"thoughtSignature": own} if own else {}


def _sign_first_call(parts: list[Json]) -> None:
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", PLACEHOLDER)
            return

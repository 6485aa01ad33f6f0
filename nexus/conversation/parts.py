"""The neutral form of a conversation: ordered parts, as in Messages and Responses.

Law: frozen values only; nothing here knows a wire format. What cannot be expressed here cannot be translated: a reader
refuses such content by name, and reports such parameters as dropped. Messages, parts and tools may have their position
in the client's request (``at``), by the client's names; it is ignored in comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field
from nexus.wire import Json

CacheHint = Literal["5m", "1h"]
"""Time to live of a prompt cache breakpoint after the part that has it."""

Effort = Literal["minimal", "low", "medium", "high", "xhigh", "max"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Signature:
    """An opaque value (thinking signature, thought signature, encrypted reasoning) and the dialect that made it.

    Only a writer of the same dialect may send it to a vendor. ``value`` may be empty: then it only says who made the
    part.
    """

    dialect: str
    value: str


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes in the message itself; ``data`` is standard base64."""

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that the vendor fetches; Nexus never does."""

    url: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A value with an optional position in the client's request."""

    at: str = field(default="", compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Citation:
    """A web page as a source of text of an answer: the characters from ``start`` to before ``end`` of its text.

    ``quote`` is the cited text of the page, if the vendor sends it.
    """

    start: int
    end: int
    url: str
    title: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Text(Placed):
    """``citations`` are an answer's, in the order in which they came."""

    text: str
    cache: CacheHint | None = None
    signature: Signature | None = None
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Image(Placed):
    """An image for the model or, in a message of the assistant, one made by a model."""

    source: Inline | Link
    detail: str | None = None
    cache: CacheHint | None = None
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Document(Placed):
    """A PDF (inline or by link) or plain text (``Text`` as source)."""

    source: Inline | Link | Text
    title: str | None = None
    context: str | None = None
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class Audio(Placed):
    source: Inline


@dataclass(frozen=True, slots=True)
class Reasoning(Placed):
    """Thinking text; ``redacted`` parts have no text, only a signature."""

    text: str
    signature: Signature | None = None
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall(Placed):
    """``arguments`` is the JSON text exactly as it was streamed; "" means no arguments."""

    id: str
    name: str
    arguments: str
    signature: Signature | None = None
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class ToolResult(Placed):
    """The answer to the call ``call_id``; its parts are Text, Image and Document in order."""

    call_id: str
    parts: tuple[Text | Image | Document, ...] = ()
    is_error: bool = False
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class Refusal(Placed):
    """The model's own words for declining, if the dialect distinguishes them from content."""

    text: str


StreamPart = Text | Reasoning | ToolCall | Refusal | Image
Part = StreamPart | Document | Audio | ToolResult

IN_WORDS: Mapping[type[Part], str] = {
    Text: "text",
    Image: "an image",
    Document: "a document",
    Audio: "audio",
    Reasoning: "reasoning",
    ToolCall: "a tool call",
    ToolResult: "a tool result",
    Refusal: "a refusal",
}

P = TypeVar("P", bound=Part)


def placed(part: P, at: str) -> P:
    """Sets the position of a part that was just created."""
    # No one else has it yet: a copy would cost as much as the part.
    object.__setattr__(part, "at", at)
    return part


@dataclass(frozen=True, slots=True)
class Message(Placed):
    """Tool results are parts of user messages. A system message within the conversation has role ``system``."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SummaryWanted(Message):
    """As the last message, requests a summary of the conversation instead of an answer."""


@dataclass(frozen=True, slots=True)
class Tool(Placed):
    """``parameters`` is the JSON Schema as the client wrote it; None if it sent none."""

    name: str
    description: str | None = None
    parameters: Json = None
    strict: bool | None = None
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class WebSearch(Tool):
    """A web search that the vendor runs itself, as the client's own vendor would; ``kind`` is the client's name for it.

    With ``offered`` it may be left out; ``lost`` lists the client's options for it that no other vendor has.
    """

    kind: str = "web_search"
    offered: bool = False
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """``name`` is set for mode ``tool`` only."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether and how much to think; ``budget`` in tokens. With neither budget nor effort the model decides.

    With ``enabled`` None only the effort is set, and the kind of model decides whether it thinks: a Claude model that
    always thinks does.
    """

    enabled: bool | None
    budget: int | None = None
    effort: Effort | None = None
    visible: bool = True


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """``schema`` None means any JSON object."""

    schema: Json = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request. ``system`` is the text before the first message, block by block.

    With ``image_output`` the answer may contain images. ``cached_content`` is the name of content that the client has
    stored at Google, ``safety_settings`` are thresholds of Google's filters, as Google defines them.
    """

    messages: tuple[Message, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    thinking: Thinking | None = None
    output_format: OutputFormat | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Mapping[str, float] | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    service_tier: str | None = None
    safety_identifier: str | None = None
    image_output: bool | None = None
    prompt_cache_key: str | None = None
    cached_content: str | None = None
    safety_settings: tuple[Mapping[str, Json], ...] = ()
    verbosity: str | None = None
    stream: bool = False
    include_usage: bool = False


NOTHING_ASKED = Request(messages=())

StopReason = Literal[
    "end", "max_tokens", "stop_sequence", "tool_use", "refusal", "content_filter", "pause", "context_window", "unknown"
]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the answer ended. ``raw`` keeps the vendor's reason, which is all there is if the reason is ``unknown``."""

    reason: StopReason
    sequence: str | None = None
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One complete answer; its parts are in order."""

    id: str
    model: str
    parts: tuple[StreamPart, ...]
    stop: Stop
    usage: Usage = field(default_factory=Usage)

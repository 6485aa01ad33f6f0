"""The Open Responses specification of answers and events, as strict types.

Unknown members are allowed; missing members and wrong values are not. ``optional`` members may be left
out but never null. Source: openresponses.org, the schemas of ResponseResource, its items and its streaming events, as
of 2026-04-24.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tests.protocols.kit import published

Status = Literal["in_progress", "completed", "incomplete"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class UrlCitation(Shape):
    type: Literal["url_citation"]
    url: str
    title: str
    start_index: int
    end_index: int


class OutputText(Shape):
    type: Literal["output_text"]
    text: str
    annotations: list[UrlCitation]
    logprobs: list[Any] = []


class Refusal(Shape):
    type: Literal["refusal"]
    refusal: str


class SummaryText(Shape):
    type: Literal["summary_text"]
    text: str


Content = Annotated[OutputText | Refusal | SummaryText, Field(discriminator="type")]


class Message(Shape):
    type: Literal["message"]
    id: str
    status: Status
    role: Literal["user", "assistant", "system", "developer"]
    content: list[Content]


class FunctionCall(Shape):
    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class Reasoning(Shape):
    type: Literal["reasoning"]
    id: str
    summary: list[Content]
    content: list[Content] = []
    encrypted_content: str = ""


Item = Annotated[Message | FunctionCall | Reasoning, Field(discriminator="type")]


class FunctionTool(Shape):
    type: Literal["function"]
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class FunctionChoice(Shape):
    type: Literal["function"]
    name: str = ""


class Error(Shape):
    code: str
    message: str


class Incomplete(Shape):
    reason: str


class Cached(Shape):
    cached_tokens: int


class Reasoned(Shape):
    reasoning_tokens: int


class Usage(Shape):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: Cached
    output_tokens_details: Reasoned


class Format(Shape):
    type: Literal["text", "json_object"]


class SchemaFormat(Shape):
    type: Literal["json_schema"]
    name: str
    description: str | None
    strict: bool


class Text(Shape):
    format: Annotated[Format | SchemaFormat, Field(discriminator="type")]


class ReasoningConfig(Shape):
    effort: Effort | None
    summary: Literal["concise", "detailed", "auto"] | None


class Resource(Shape):
    """Every member is required."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: str
    incomplete_details: Incomplete | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[Item]
    error: Error | None
    tools: list[FunctionTool]
    tool_choice: FunctionChoice | Literal["none", "auto", "required"]
    truncation: Literal["auto", "disabled"]
    parallel_tool_calls: bool
    text: Text
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    temperature: float
    reasoning: ReasoningConfig | None
    usage: Usage | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: Any
    safety_identifier: str | None
    prompt_cache_key: str | None


class Event(Shape):
    sequence_number: int


class Lifecycle(Event):
    type: Literal[
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
        "response.failed",
        "response.incomplete",
    ]
    response: Resource


class ItemEvent(Event):
    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: int
    item: Item | None


class Inside(Event):
    item_id: str
    output_index: int


class ContentPart(Inside):
    type: Literal["response.content_part.added", "response.content_part.done"]
    content_index: int
    part: Content


class SummaryPart(Inside):
    type: Literal["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"]
    summary_index: int
    part: Content


class ContentDelta(Inside):
    type: Literal["response.output_text.delta", "response.refusal.delta"]
    content_index: int
    delta: str


class TextDone(Inside):
    type: Literal["response.output_text.done"]
    content_index: int
    text: str


class RefusalDone(Inside):
    type: Literal["response.refusal.done"]
    content_index: int
    refusal: str


class SummaryDelta(Inside):
    type: Literal["response.reasoning_summary_text.delta"]
    summary_index: int
    delta: str


class SummaryDone(Inside):
    type: Literal["response.reasoning_summary_text.done"]
    summary_index: int
    text: str


class AnnotationAdded(Inside):
    type: Literal["response.output_text.annotation.added"]
    content_index: int
    annotation_index: int
    annotation: UrlCitation | None


class ArgumentsDelta(Inside):
    type: Literal["response.function_call_arguments.delta"]
    delta: str


class ArgumentsDone(Inside):
    type: Literal["response.function_call_arguments.done"]
    arguments: str


_EVENT = Annotated[
    Lifecycle
    | ItemEvent
    | ContentPart
    | SummaryPart
    | ContentDelta
    | TextDone
    | RefusalDone
    | SummaryDelta
    | SummaryDone
    | AnnotationAdded
    | ArgumentsDelta
    | ArgumentsDone,
    Field(discriminator="type"),
]


def check_resource(answer: Mapping[str, Any]) -> None:
    published(Resource).validate_python(answer)


def check_event(event: Mapping[str, Any]) -> None:
    published(_EVENT).validate_python(event)

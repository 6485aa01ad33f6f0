"""read(write(x)) == x for conversations in normal form, and nothing of any conversation is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Request,
    Role,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import UnsupportedFeature
from nexus.protocols.chat.read_request import read_request

from .writing import OWN, PDF, PNG, write

WORDS = st.text("ab \n{}é", min_size=1, max_size=8)
IDS = st.integers(0, 10**6).map(lambda n: f"call_{n}")
TEXTS = st.builds(Text, WORDS)
MEDIA_PARTS = st.sampled_from(
    [Image(PNG), Image(Link("https://x.test/i"), "low"), Audio(Inline("audio/wav", "QQ==")), Document(PDF, "d.pdf")]
)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    found = [Message("user", tuple(draw(st.lists(st.one_of(TEXTS, MEDIA_PARTS), max_size=3))))]
    reasoning = [Reasoning(words, OWN) for words in draw(st.lists(WORDS, max_size=1))]
    refusal = [Refusal(words) for words in draw(st.lists(WORDS, max_size=1))]
    ids = draw(st.lists(IDS, max_size=3, unique=True))
    calls = [ToolCall(call_id, "f", '{"a": 1}') for call_id in ids]
    said: list[Part] = [*reasoning, *draw(st.lists(TEXTS, min_size=1, max_size=2)), *refusal, *calls]
    found.append(Message("assistant", tuple(said)))
    if ids:
        results = [ToolResult(call_id, tuple(draw(st.lists(TEXTS, max_size=2)))) for call_id in ids]
        found.append(Message("user", tuple(results)))
    found += [Message("system", (Text(words),)) for words in draw(st.lists(WORDS, max_size=1))]
    return found


def _unsigned(messages: Iterable[Message]) -> tuple[Message, ...]:
    """A client that sends text alone has unsigned reasoning, which is the one asymmetry."""
    return tuple(
        Message(
            message.role,
            tuple(Reasoning(part.text) if isinstance(part, Reasoning) else part for part in message.parts),
            message.name,
        )
        for message in messages
    )


@given(
    st.lists(turns(), min_size=1, max_size=3),
    st.lists(TEXTS, max_size=2),
    st.sampled_from([None, ToolChoice("auto"), ToolChoice("required"), ToolChoice("tool", "f")]),
    st.sampled_from([None, Thinking(False), Thinking(True, effort="low")]),
    st.sampled_from([None, OutputFormat(), OutputFormat({"type": "object", "properties": {}}, "n", "d", False)]),
    st.booleans(),
)
def test_reads_what_it_writes(
    groups: list[list[Message]],
    system: list[Text],
    choice: ToolChoice | None,
    thinking: Thinking | None,
    output: OutputFormat | None,
    stream: bool,
) -> None:
    request = Request(
        tuple(message for group in groups for message in group),
        system=tuple(system),
        tools=(Tool("f", "d", {"type": "object", "properties": {}}), Tool("g")),
        tool_choice=choice,
        parallel_tools=True,
        thinking=thinking,
        output_format=output,
        max_tokens=9,
        temperature=1.5,
        top_p=0.5,
        presence_penalty=-1.0,
        frequency_penalty=1.0,
        seed=4,
        stop=("x",),
        logit_bias={"1": 2},
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        stream=stream,
        include_usage=stream,
    )
    written = write(request)
    read = read_request(written.body)
    assert read.request == replace(request, messages=_unsigned(request.messages))
    assert read.dropped == written.dropped == ()


PARTS: st.SearchStrategy[Part] = st.one_of(
    TEXTS,
    MEDIA_PARTS,
    st.builds(Reasoning, WORDS, st.sampled_from([None, OWN, Signature("messages", "s")])),
    st.builds(ToolCall, st.text(max_size=50), WORDS, st.sampled_from(["", "{}", "{broken"])),
    st.builds(ToolResult, st.text(max_size=50), st.lists(st.one_of(TEXTS, st.just(Image(PNG)))).map(tuple)),
    st.builds(Refusal, WORDS),
)
ROLES: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant", "system"])


@given(st.lists(st.builds(Message, ROLES, st.lists(PARTS, max_size=4).map(tuple)), max_size=6))
def test_any_conversation_is_written_whole_or_refused(conversation: list[Message]) -> None:
    try:
        body = write(Request(tuple(conversation))).body
    except UnsupportedFeature as refusal:
        assert refusal.param is not None
        return
    wire = str(body)
    for message in conversation:
        for part in message.parts:
            if isinstance(part, Text | Refusal):
                assert repr(part.text)[1:-1] in wire
    assert wire.count("data:image/png") == sum(
        isinstance(inner, Image) and isinstance(inner.source, Inline)
        for message in conversation
        for part in message.parts
        if message.role != "assistant" or not isinstance(part, Image)
        for inner in (part.parts if isinstance(part, ToolResult) else (part,))
    )

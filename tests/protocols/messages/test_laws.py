"""What the API checks beyond its types, and the judge's own honesty."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexus.conversation.parts import (
    CacheHint,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Request,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.errors import ClientError
from nexus.models.claude import profile
from nexus.protocols.codec import Target
from nexus.protocols.messages.write_request import write_request
from tests.examples import examples

from .kit import check_request

HINTS: st.SearchStrategy[CacheHint | None] = st.sampled_from([None, None, None, None, None, "5m", "1h"])
WORDS = st.text(alphabet="ab \n\u2028é<>", max_size=6).map(lambda words: f"{words}.")
INLINE = st.builds(Inline, st.sampled_from(["image/png", "image/webp"]), st.just("AA=="))
LINKS = st.just(Link("https://e.org/x"))
TEXTS = st.builds(Text, WORDS)
IMAGES = st.builds(Image, INLINE | LINKS)
DOCUMENTS = st.builds(
    Document,
    st.just(Inline("application/pdf", "AA==")) | LINKS | TEXTS,
    title=st.none() | WORDS,
    context=st.none() | WORDS,
)
MEDIA = TEXTS | IMAGES | DOCUMENTS
REASONING = st.builds(Reasoning, WORDS, st.builds(Signature, st.just("messages"), WORDS)) | st.builds(
    Reasoning, st.just(""), st.builds(Signature, st.just("messages"), WORDS), st.just(True)
)
ARGUMENTS = st.just("") | st.dictionaries(WORDS, WORDS, min_size=1, max_size=2).map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
)


LOOSE: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, st.text(alphabet="a \n", max_size=3), cache=HINTS),
    IMAGES,
    REASONING,
    st.builds(Reasoning, WORDS, st.none() | st.builds(Signature, st.just("gemini"), WORDS)),
    st.builds(ToolCall, st.sampled_from(["a", "b", "c.c"]), st.just("f"), ARGUMENTS),
    st.builds(ToolResult, st.sampled_from(["a", "b", "c.c"]), st.lists(MEDIA, max_size=1).map(tuple), st.booleans()),
)
MESSAGES = st.builds(Message, st.sampled_from(["user", "assistant", "system"]), st.lists(LOOSE, max_size=3).map(tuple))
MODELS = st.sampled_from(["kimi-k2", "claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-8", "claude-sonnet-5-5"])


@examples(300)
@given(st.lists(MESSAGES, max_size=6).map(tuple), MODELS)
def test_any_conversation_is_valid_or_refused_by_its_path(messages: tuple[Message, ...], model: str) -> None:
    try:
        body = write_request(Request(messages=messages), Target(model, claude=profile(model))).body
    except ClientError as refusal:
        assert refusal.param is not None
        assert refusal.param.startswith("messages")
        return
    check_request(body)
    _check_rules(body["messages"])
    sent = json.dumps([body.get("system"), body["messages"]])
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text) and part.text.strip():
                assert json.dumps(part.text.rstrip())[1:-1] in sent


def _check_rules(messages: list[Any]) -> None:
    """What the API checks beyond the types."""
    talk = [message for message in messages if message["role"] != "system"]
    assert [message["role"] for message in talk] == (["user", "assistant"] * len(talk))[: len(talk)]
    for at, message in enumerate(messages):
        assert message["content"]
        if message["role"] == "system":
            assert messages[at - 1]["role"] == "user"
            assert at + 1 == len(messages) or messages[at + 1]["role"] == "assistant"
        calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if calls:
            heads = messages[at + 1]["content"][: len(calls)]
            assert [block.get("tool_use_id") for block in heads] == calls
            for head in heads:
                if head.get("is_error"):
                    assert {block["type"] for block in head["content"]} == {"text"}
    ids = [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]
    assert len(ids) == len(set(ids))


PLAIN: dict[str, Any] = {
    "model": "m",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
}


@pytest.mark.parametrize(
    "broken",
    [
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "tool", "content": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "detail": 1}]}]},
        {"tools": [{"name": "f"}]},
        {"tool_choice": {"type": "required"}},
        {"seed": 1},
    ],
)
def test_the_judge_sees_what_is_wrong(broken: dict[str, Any]) -> None:
    check_request(PLAIN)
    with pytest.raises((ValidationError, AssertionError)):
        check_request(PLAIN | broken)

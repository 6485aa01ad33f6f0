"""Conversations that no well-behaved client sends.

The vendor's request obeys the rules that the vendor enforces beyond its types, or Nexus rejects it with a path.
"""

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.parts import (
    CacheHint,
    Document,
    Image,
    Inline,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.errors import ClientError
from nexus.protocols.codec import Target
from nexus.protocols.pairing import paired
from nexus.protocols.tidy import with_distinct_calls
from tests.examples import examples

from .kit import TARGETS, VENDORS, check_body, write

HINTS: st.SearchStrategy[CacheHint | None] = st.sampled_from([None, None, None, "5m", "1h"])
WORDS = st.text(alphabet="ab \n\u2028é<>{\"'", max_size=6)
SIGNED = st.none() | st.builds(
    Signature, st.sampled_from(["chat", "messages", "gemini", "converse", "none"]), st.sampled_from(["", "QUJD"])
)
IDS = st.sampled_from(["a", "b", "call:1", "c.c", "ü" * 70])
MEDIA: st.SearchStrategy[Text | Image | Document] = st.one_of(
    st.builds(Text, WORDS, HINTS),
    st.builds(Image, st.just(Inline("image/png", "QUJD")), cache=HINTS),
    st.builds(Document, st.builds(Text, WORDS.filter(str.strip)), title=st.none() | WORDS, cache=HINTS),
)
PARTS: Mapping[str, st.SearchStrategy[Part]] = {
    "user": MEDIA | st.builds(ToolResult, IDS, st.lists(MEDIA, max_size=2).map(tuple), st.booleans(), HINTS),
    "assistant": st.one_of(
        st.builds(Text, WORDS, HINTS, SIGNED),
        st.builds(Refusal, WORDS),
        st.builds(Reasoning, WORDS, SIGNED, st.booleans()),
        st.builds(ToolCall, IDS, st.sampled_from(["f", "a.b", "x" * 80]), st.sampled_from(["", "{}", '{"a":1}', "{"])),
    ),
    "system": st.builds(Text, WORDS, HINTS),
}


@st.composite
def conversations(draw: st.DrawFn) -> Request:
    """As the relay passes them on."""
    messages: list[Message] = []
    for _ in range(draw(st.integers(1, 6))):
        role: Any = draw(st.sampled_from([*PARTS, "user", "assistant"]))
        messages.append(Message(role, tuple(draw(st.lists(PARTS[role], max_size=3)))))
    said = Request((*messages, Message("user", (Text("end"),))))
    return paired(with_distinct_calls(said))[0]


def _rules_of_claude(body: Mapping[str, Any], target: Target) -> None:
    messages = body["messages"]
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


def _rules_of_gemini(body: Mapping[str, Any], target: Target) -> None:
    assert all(one["role"] != other["role"] for one, other in pairwise(body["contents"]))
    for content in body["contents"]:
        answers = ["functionResponse" in part for part in content["parts"]]
        assert answers == sorted(answers, reverse=True)
        first = [part for part in content["parts"] if "functionCall" in part][:1]
        assert not target.gemini.thought_signatures or all(part["thoughtSignature"] for part in first)


def _rules_of_bedrock(body: Mapping[str, Any], target: Target) -> None:
    messages = body["messages"]
    assert messages[0]["role"] == "user" and all(one["role"] != other["role"] for one, other in pairwise(messages))
    assert all(message["content"] and "cachePoint" not in message["content"][0] for message in messages)
    blocks = [block for message in messages for block in message["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)
    assert ("toolConfig" in body) == any("toolUse" in block or "toolResult" in block for block in blocks)
    used = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    assert len(set(used)) == len(used)


def _rules_of_openai(body: Mapping[str, Any], target: Target) -> None:
    for before, message in pairwise(body["messages"]):
        assert message["role"] != "tool" or before["role"] == "tool" or before.get("tool_calls")


RULES: Mapping[str, Callable[[Mapping[str, Any], Target], None]] = {
    "chat": _rules_of_openai,
    "messages": _rules_of_claude,
    "gemini": _rules_of_gemini,
    "converse": _rules_of_bedrock,
}


@pytest.mark.parametrize("vendor", VENDORS)
@examples(200)
@given(said=conversations(), data=st.data())
def test_requests_obey_the_vendors_rules_or_are_rejected_with_a_path(
    vendor: str, said: Request, data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(TARGETS[vendor]))
    try:
        body = write(vendor, said, target).body
    except ClientError as refusal:
        assert refusal.param is not None and refusal.param.startswith(("messages", "tools"))
        return
    check_body(vendor, body)
    RULES[vendor](body, target)
    sent = json.dumps(body, ensure_ascii=False)
    for part in (part for message in said.messages for part in message.parts):
        if isinstance(part, Text | Refusal) and part.text.strip():
            assert json.dumps(part.text.rstrip(), ensure_ascii=False)[1:-1] in sent

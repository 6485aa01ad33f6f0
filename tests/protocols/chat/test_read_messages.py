"""A client's messages are read into neutral form."""

import base64

import pytest

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.protocols.chat.read_request import read_request
from nexus.wire import Json
from tests.protocols.chat.asked import HI, PNG, ask, call

PDF = "data:application/pdf;base64,QUJD"
CSV = "data:text/csv;base64," + base64.b64encode("a,ü".encode()).decode()

MESSAGES: dict[str, tuple[list[Json], tuple[Message, ...]]] = {
    "a string": ([HI], (Message("user", (Text("hi"),)),)),
    "an empty string gives no part": ([{"role": "user", "content": ""}], (Message("user", ()),)),
    "null content": ([{"role": "assistant", "content": None}], (Message("assistant", ()),)),
    "missing content": ([{"role": "assistant"}], (Message("assistant", ()),)),
    "no parts": ([{"role": "user", "content": []}], (Message("user", ()),)),
    "a name": ([{**HI, "name": "ann"}], (Message("user", (Text("hi"),), "ann"),)),
    "images with detail": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                ],
            }
        ],
        (
            Message(
                "user", (Text("look"), Image(Inline("image/png", "QUJD"), "low"), Image(Link("https://x.test/a.png")))
            ),
        ),
    ),
    "audio": (
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}]}],
        (Message("user", (Audio(Inline("audio/mpeg", "QUJD")),)),),
    ),
    "files": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_data": "QUJD", "filename": "b.pdf"}},
                    {"type": "file", "file": {"file_data": CSV}},
                    {"type": "file", "file": {"file_data": "https://x.test/c.pdf"}},
                ],
            }
        ],
        (
            Message(
                "user",
                (
                    Document(Inline("application/pdf", "QUJD"), "a.pdf"),
                    Document(Inline("application/pdf", "QUJD"), "b.pdf"),
                    Document(Inline("text/csv", CSV.partition(",")[2])),
                    Document(Link("https://x.test/c.pdf")),
                ),
            ),
        ),
    ),
    "calls and their results": (
        [
            HI,
            {"role": "assistant", "content": "", "tool_calls": [call("weather", "c1"), call("clock", "c2")]},
            {"role": "tool", "tool_call_id": "c2", "content": "noon"},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "sun"}]},
            HI,
        ],
        (
            Message("user", (Text("hi"),)),
            Message("assistant", (ToolCall("c1", "weather", "{}"), ToolCall("c2", "clock", "{}"))),
            Message("user", (ToolResult("c2", (Text("noon"),)), ToolResult("c1", (Text("sun"),)))),
            Message("user", (Text("hi"),)),
        ),
    ),
    "an image in a result": (
        [{"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}],
        (Message("user", (ToolResult("c", (Image(Inline("image/png", "QUJD")),)),)),),
    ),
    "an empty result": ([{"role": "tool", "tool_call_id": "c", "content": ""}], (Message("user", (ToolResult("c"),)),)),
    "refusals": (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "refusal": "never"}],
        (Message("assistant", (Refusal("no"), Refusal("never"))),),
    ),
    "thinking in the content": (
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2"}]},
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "sum"}]},
                    {"type": "text", "text": "4"},
                ],
            }
        ],
        (Message("assistant", (Reasoning("2+2"), Reasoning("sum"), Text("4"))),),
    ),
    "the old function call": (
        [
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
            {"role": "function", "name": "f", "content": "one"},
        ],
        (
            Message("assistant", (ToolCall("call_0", "f", '{"a":1}'),)),
            Message("user", (ToolResult("call_0", (Text("one"),)),)),
        ),
    ),
    "null arguments": (
        [{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": None}}]}],
        (Message("assistant", (ToolCall("c", "f", ""),)),),
    ),
    "reasoning without details has no signature": (
        [{"role": "assistant", "content": "4", "reasoning_content": "2+2", "reasoning": "2+2"}],
        (Message("assistant", (Reasoning("2+2"), Text("4"))),),
    ),
    "the other spelling of reasoning": (
        [{"role": "assistant", "content": "4", "reasoning": "2+2"}],
        (Message("assistant", (Reasoning("2+2"), Text("4"))),),
    ),
    "our signed details": (
        [
            {
                "role": "assistant",
                "content": "abcd",
                "reasoning_content": "onetwo",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "one", "signature": "nexus.messages.s1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "nexus.messages.s2", "index": 1, "position": [2, 0]},
                    {"type": "reasoning.text", "text": "two", "index": 2, "position": [4, 1]},
                ],
                "tool_calls": [call("f", "c1"), call("g", "c2")],
            }
        ],
        (
            Message(
                "assistant",
                (
                    Reasoning("one", Signature("messages", "s1")),
                    Text("ab"),
                    Reasoning("", Signature("messages", "s2"), redacted=True),
                    Text("cd"),
                    ToolCall("c1", "f", "{}"),
                    Reasoning("two"),
                    ToolCall("c2", "g", "{}"),
                ),
            ),
        ),
    ),
    "a vendor's own details are kept whole": (
        [{"role": "assistant", "content": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}],
        (
            Message(
                "assistant",
                (Reasoning("", Signature("chat", '{"data":"x","type":"reasoning.encrypted"}'), redacted=True),),
            ),
        ),
    ),
    "Gemini's thought signature": (
        [
            {
                "role": "assistant",
                "content": "t",
                "extra_content": {"google": {"thought_signature": "s0"}},
                "tool_calls": [call("f", extra_content={"google": {"thought_signature": "s1"}})],
            }
        ],
        (
            Message(
                "assistant",
                (Text("t", signature=Signature("gemini", "s0")), ToolCall("c1", "f", "{}", Signature("gemini", "s1"))),
            ),
        ),
    ),
    "another vendor's signature on a call": (
        [{"role": "assistant", "tool_calls": [call("f", extra_content={"nexus": {"seal": "nexus.messages.s"}})]}],
        (Message("assistant", (ToolCall("c1", "f", "{}", Signature("messages", "s")),)),),
    ),
    "a system message in the middle": (
        [HI, {"role": "developer", "content": "now in French"}, HI],
        (Message("user", (Text("hi"),)), Message("system", (Text("now in French"),)), Message("user", (Text("hi"),))),
    ),
    "cache hints": (
        [
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            {"role": "user", "content": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {
                "role": "user",
                "content": [{"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "d", "cache_control": {"type": "ephemeral"}},
        ],
        (
            Message("user", (Text("a", "5m"),)),
            Message("user", (Text("b", "1h"),)),
            Message("user", (Text("c", "5m"),)),
            Message("user", (ToolResult("c", (Text("d"),), cache="5m"),)),
        ),
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_are_read(case: str) -> None:
    wire, expected = MESSAGES[case]
    read = read_request(ask(*wire))
    assert read.request.messages == expected
    assert read.dropped == ()


def test_system_blocks_come_before_the_first_message() -> None:
    read = read_request(
        ask(
            {"role": "system", "content": "one"},
            {"role": "developer", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
            HI,
        )
    )
    assert read.request.system == (Text("one"), Text("two"), Text("three"))
    assert read.request.messages == (Message("user", (Text("hi"),)),)

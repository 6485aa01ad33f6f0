"""Neutral messages are written in the order that vendors require; every loss is reported."""

import base64
from dataclasses import replace

import pytest

from nexus.conversation.fold import fold
from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Reasoning,
    Refusal,
    Request,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.chat.write_messages import ERROR_MARK
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.codec import Target
from nexus.wire import Json, encode
from tests.protocols.kit import answer_from, origin

from .kit import check_request, events_of
from .writing import HI, OWN, PDF, PNG, SYSTEM, assistant, function, messages, text, tool, user, write

A, B = ToolCall("a", "f", ""), ToolCall("b", "g", '{"x":1}')
CALLS = {"role": "assistant", "content": None, "tool_calls": [function("f", "a"), function("g", "b", '{"x":1}')]}
MEDIA = "[what this result holds beside text follows in the next user message]"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}

MESSAGES: dict[str, tuple[tuple[Message, ...], list[Json]]] = {
    "one text is a string": ((HI,), [{"role": "user", "content": "hi"}]),
    "two texts stay two": ((user(Text("a"), Text("b")),), [{"role": "user", "content": [text("a"), text("b")]}]),
    "nothing is an empty string": ((user(),), [{"role": "user", "content": ""}]),
    "empty text is left out": (
        (user(Text(""), Image(PNG)), user(Text(""))),
        [{"role": "user", "content": [IMAGE]}, {"role": "user", "content": ""}],
    ),
    "an empty answer is left out": ((HI, assistant(), HI), [{"role": "user", "content": "hi"}] * 2),
    "prefill": ((HI, assistant(Text("{"))), [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]),
    "the finest detail, of which only OpenAI knows": (
        (user(Image(Link("https://x.test/a"), "original")),),
        [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a", "detail": "high"}}],
            }
        ],
    ),
    "media": (
        (user(Image(Link("https://x.test/a"), "high"), Audio(Inline("audio/wav", "QQ==")), Document(PDF, "t.pdf")),),
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "https://x.test/a", "detail": "high"}},
                    {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
                    {"type": "file", "file": {"filename": "t.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
                ],
            }
        ],
    ),
    "text documents become text": (
        (user(Document(Text("body"), "title", "context")),),
        [{"role": "user", "content": "title\n\ncontext\n\nbody"}],
    ),
    "text files become text": (
        (user(Document(Inline("text/csv", base64.b64encode(b"a,b").decode()))),),
        [{"role": "user", "content": "a,b"}],
    ),
    "a document's context goes before it": (
        (user(Document(PDF, None, "about")),),
        [
            {
                "role": "user",
                "content": [
                    text("about"),
                    {
                        "type": "file",
                        "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,QUJD"},
                    },
                ],
            }
        ],
    ),
    "results follow their calls in the order of the calls": (
        (assistant(A, B), user(ToolResult("b", (Text("2"),)), ToolResult("a", (Text("1"),)), Text("go"))),
        [CALLS, tool("a", "1"), tool("b", "2"), {"role": "user", "content": "go"}],
    ),
    "results in several messages, with others between": (
        (
            assistant(A, B),
            user(ToolResult("b", (Text("2"),))),
            Message("system", (Text("s"),)),
            user(Text("go"), ToolResult("a")),
        ),
        [CALLS, tool("a", ""), tool("b", "2"), {"role": "system", "content": "s"}, {"role": "user", "content": "go"}],
    ),
    "calls, then text, then results": (
        (assistant(A), assistant(Text("wait")), user(ToolResult("a", (Text("1"),)))),
        [{"role": "assistant", "content": "wait", "tool_calls": [function("f", "a")]}, tool("a", "1")],
    ),
    "a failed result": (
        (assistant(A), user(ToolResult("a", (Text("boom"),), is_error=True))),
        [{"role": "assistant", "content": None, "tool_calls": [function("f", "a")]}, tool("a", f"{ERROR_MARK}boom")],
    ),
    "a failed result without text": ((user(ToolResult("a", is_error=True)),), [tool("a", ERROR_MARK)]),
    "images in results follow": (
        (assistant(A, B), user(ToolResult("b", (Image(PNG),)), ToolResult("a", (Text("see"), Image(PNG))), Text("go"))),
        [
            CALLS,
            tool("a", [text("see"), text(MEDIA)]),
            tool("b", MEDIA),
            {
                "role": "user",
                "content": [
                    text("[from the result of tool call a]"),
                    IMAGE,
                    text("[from the result of tool call b]"),
                    IMAGE,
                ],
            },
            {"role": "user", "content": "go"},
        ],
    ),
    "a refusal": ((assistant(Text("x"), Refusal("no")),), [{"role": "assistant", "content": "x", "refusal": "no"}]),
    "a refusal alone": ((assistant(Refusal("no")),), [{"role": "assistant", "content": None, "refusal": "no"}]),
    "names": (
        (Message("user", (Text("x"),), "ann"), Message("system", (Text("y"),), "boss")),
        [{"role": "user", "content": "x", "name": "ann"}, {"role": "system", "content": "y", "name": "boss"}],
    ),
    "own reasoning goes back": (
        (assistant(Reasoning("th", OWN), Reasoning("ink", OWN), Text("x")),),
        [{"role": "assistant", "content": "x", "reasoning_content": "think"}],
    ),
    "own details go back as they came": (
        (
            assistant(
                Reasoning("t", Signature("chat", '{"type":"reasoning.text","signature":"s"}')),
                Reasoning("u", Signature("chat", '{"type":"reasoning.summary","index":1}')),
                Reasoning("", Signature("chat", '{"type":"reasoning.encrypted","data":"d"}'), redacted=True),
                Text("x"),
            ),
        ),
        [
            {
                "role": "assistant",
                "content": "x",
                "reasoning_details": [
                    {"type": "reasoning.text", "signature": "s", "text": "t"},
                    {"type": "reasoning.summary", "index": 1, "summary": "u"},
                    {"type": "reasoning.encrypted", "data": "d"},
                ],
            }
        ],
    ),
    "Copilot's own reasoning goes back": (
        (
            assistant(
                Reasoning("t", Signature("chat", '{"reasoning_opaque":"o"}')),
                Text("x"),
                Reasoning("", Signature("chat", '{"reasoning_opaque":"p"}'), redacted=True),
            ),
        ),
        [{"role": "assistant", "content": "x", "reasoning_text": "t", "reasoning_opaque": "p"}],
    ),
    "own extra content goes back": (
        (assistant(ToolCall("a", "f", "", Signature("chat", '{"google":{"thought_signature":"s"}}'))),),
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [function("f", "a") | {"extra_content": {"google": {"thought_signature": "s"}}}],
            }
        ],
    ),
    "own signature beside a call goes back": (
        (assistant(ToolCall("a", "f", "", Signature("chat", '{"thoughtSignature":"s"}'))),),
        [{"role": "assistant", "content": None, "tool_calls": [function("f", "a") | {"thoughtSignature": "s"}]}],
    ),
    "foreign signatures on text and calls are not sent": (
        (assistant(Text("x", signature=Signature("gemini", "s")), ToolCall("a", "f", "", Signature("gemini", "s"))),),
        [{"role": "assistant", "content": "x", "tool_calls": [function("f", "a")]}],
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_are_written(case: str) -> None:
    given_messages, expected = MESSAGES[case]
    written = write_request(Request(given_messages), Target("m"))
    assert written.body["messages"] == expected
    assert written.dropped == ()
    if "own" not in case:
        check_request(written.body)


@pytest.mark.parametrize("signature", [None, Signature("messages", "s"), Signature("gemini", "")])
def test_foreign_reasoning_is_dropped_and_reported(signature: Signature | None) -> None:
    written = write(
        Request((HI, assistant(Reasoning("t", signature)), assistant(Reasoning("u", signature), Text("x"))))
    )
    assert written.body["messages"][1:] == [{"role": "assistant", "content": "x"}]
    assert written.dropped == ("messages.reasoning",)


@pytest.mark.parametrize("member", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_reasoning_goes_back_under_its_name(member: str, streamed: bool) -> None:
    """Ollama reads only ``reasoning``, DeepSeek only ``reasoning_content``; Ollama rejects null without calls."""
    if streamed:
        deltas: list[Json] = [{member: "Let"}, {member: " me."}]
        choices = [*({"delta": delta} for delta in deltas), {"delta": {}, "finish_reason": "stop"}]
        parts = fold(events_of(b"".join(b"data: " + encode({"choices": [one]}) + b"\n\n" for one in choices))).parts
    else:
        choice = {"message": {member: "Let me."}, "finish_reason": "stop"}
        parts = answer_from({"choices": [choice]}, StreamReader(origin())).parts
    (turn,) = messages(Request((Message("assistant", parts),)))
    assert turn == {"role": "assistant", "content": "", member: "Let me."}


def test_system_blocks_stay_separate_blocks() -> None:
    assert messages(SYSTEM)[0] == {"role": "system", "content": [text("one"), text("two")]}
    assert messages(replace(SYSTEM, system=(Text("one"),)))[0] == {"role": "system", "content": "one"}


REFUSED: dict[str, Request] = {
    "document in an answer": Request((assistant(Document(PNG)),)),
    "call by the user": Request((user(A),)),
    "linked document": Request((user(Document(Link("https://x.test/a.pdf"))),)),
    "odd audio": Request((user(Audio(Inline("audio/tune", "QQ=="))),)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unsupported_content_is_rejected_with_its_path(case: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        write(REFUSED[case])
    assert caught.value.param is not None and caught.value.param.startswith("messages.")


def test_invalid_requests_are_rejected() -> None:
    with pytest.raises(InvalidRequest):
        write(Request((HI,), temperature=2.5))


def test_long_ids_are_shortened_alike_in_call_and_result() -> None:
    call = ToolCall("x" * 41, "f", "{}")
    wire = messages(Request((assistant(call), user(ToolResult(call.id)))))
    assert wire[0]["tool_calls"][0]["id"] == wire[1]["tool_call_id"]
    assert len(wire[1]["tool_call_id"]) <= 40

"""LiteLLM's ``thinking_blocks``: read from vendors with signatures, sent back, and read from histories."""

from collections.abc import Mapping
from typing import Any

import pytest

from nexus.conversation.fold import fold
from nexus.conversation.parts import Message, Reasoning, Request, Signature, Text
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.codec import Target
from nexus.wire import decode, encode
from tests.laws.kit import CLIENTS, echo, echo_stream, parts_of_echo, read, stream_of, write
from tests.laws.test_fixtures import FIXTURES, lane, run
from tests.protocols.kit import origin

CASE = "chat/litellm-thinking"
BLOCKS = [
    {"type": "thinking", "thinking": "2+2 is 4.", "signature": "U0lHTkFUVVJFMQ=="},
    {"type": "redacted_thinking", "data": "b3BhcXVl"},
    {"type": "thinking", "thinking": " Sure.", "signature": "U0lHTkFUVVJFMg=="},
]
HI = Message("user", (Text("hi"),))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
def test_blocks_that_the_client_returns_go_back_unchanged(client: str, stream: bool) -> None:
    relay = lane(client, CASE, stream=stream)
    path = FIXTURES / CASE
    if stream:
        turns = echo_stream(client, run(relay, stream_of(path / "upstream.sse")) + relay.finish())
    else:
        turns = echo(client, decode(relay.body((path / "upstream.json").read_bytes())))
    parts = parts_of_echo(client, turns)
    assert [part.text for part in parts if isinstance(part, Reasoning)] == ["2+2 is 4.", "", " Sure."]
    sent = write("chat", Request((HI, Message("assistant", parts), HI)), Target("m"))
    assert sent.body["messages"][1]["thinking_blocks"] == BLOCKS
    assert sent.dropped == ()


CLAUDES = (
    Reasoning("2+2 is 4.", Signature("messages", "U0lHTkFUVVJFMQ==")),
    Reasoning("", Signature("messages", "b3BhcXVl"), redacted=True),
    Reasoning(" Sure.", Signature("messages", "U0lHTkFUVVJFMg==")),
)


def history(**members: Any) -> Mapping[str, Any]:
    answer = {"role": "assistant", "content": "4", **members}
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}, answer, {"role": "user", "content": "so"}]}


def test_untagged_blocks_in_a_history_are_claudes() -> None:
    found = read("chat", history(thinking_blocks=BLOCKS, reasoning_content="2+2 is 4. Sure."))
    assert found.dropped == ()
    assert found.request.messages[1].parts == (*CLAUDES, Text("4"))
    sent = write("messages", found.request, Target("claude-sonnet-4-5"))
    assert sent.body["messages"][1]["content"] == [*BLOCKS, {"type": "text", "text": "4"}]


def test_a_tagged_block_belongs_to_the_tagged_dialect() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "nexus.gemini.c2ln"}
    found = read("chat", history(thinking_blocks=[block]))
    assert found.request.messages[1].parts[0] == Reasoning("hm", Signature("gemini", "c2ln"))


def test_a_block_without_a_signature_is_unsigned_reasoning() -> None:
    found = read("chat", history(thinking_blocks=[{"type": "thinking", "thinking": "hm"}]))
    assert found.request.messages[1].parts[0] == Reasoning("hm", None)


def test_redacted_blocks_stand_behind_the_plain_text_of_the_reasoning() -> None:
    found = read("chat", history(thinking_blocks=BLOCKS[1:2], reasoning_content="hm"))
    assert found.request.messages[1].parts == (Reasoning("hm", None), CLAUDES[1], Text("4"))


def test_blocks_and_details_may_be_mixed() -> None:
    found = read("chat", history(reasoning_details=[BLOCKS[0], {"type": "reasoning.text", "text": "so"}]))
    assert found.request.messages[1].parts == (CLAUDES[0], Reasoning("so", None), Text("4"))


def test_reasoning_details_override_thinking_blocks() -> None:
    details = [{"type": "reasoning.text", "text": "as detail", "signature": "nexus.gemini.c2ln"}]
    found = read("chat", history(thinking_blocks=BLOCKS, reasoning_details=details))
    assert found.request.messages[1].parts[0] == Reasoning("as detail", Signature("gemini", "c2ln"))


def test_a_signature_after_plain_reasoning_signs_it() -> None:
    reader = StreamReader(origin())
    events = []
    for delta in (
        {"reasoning_content": "hm"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]},
        {"content": "so"},
    ):
        events += reader.feed(None, encode({"choices": [{"index": 0, "delta": delta}]}).decode())
    events += reader.feed(None, "[DONE]")
    thought, words = fold(events).parts
    assert thought == Reasoning("hm", Signature("chat", '{"signature":"c2ln","type":"thinking"}'))
    assert words == Text("so")

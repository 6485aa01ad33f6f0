"""Think tags in the content of compatible servers are read as thinking when the quirk is set."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.fold import fold
from nexus.conversation.parts import Citation, Message, Part, Reasoning, Request, Signature, Text, ToolCall
from nexus.models.chat_server import PLAIN, ChatServer
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.sse import Frame
from nexus.relay.translation import Translation
from nexus.wire import decode, encode
from tests.laws.kit import CLIENTS, echo, echo_stream, new_attempt
from tests.laws.test_fixtures import run
from tests.protocols.kit import answer_from, origin

TAGGED = ChatServer(think_tags=True)
BARE = Signature("chat", "")


def thought(words: str) -> Reasoning:
    return Reasoning(words, BARE)


CASES: Mapping[str, tuple[str, tuple[Part, ...]]] = {
    "as DeepSeek's and Qwen's models begin": ("<think>\n2+2\n</think>\n\n4", (thought("2+2"), Text("4"))),
    "after white space": (" \n<think>a</think>b", (thought("a"), Text("b"))),
    "thinking switched off": ("<think>\n\n</think>\n\n4", (Text("4"),)),
    "nothing but thinking": ("<think>a</think>", (thought("a"),)),
    "cut during thinking": ("<think>\na b", (thought("a b"),)),
    "cut in its closing tag": ("<think>a </thi", (thought("a </thi"),)),
    "cut in its opening tag": ("<thi", (Text("<thi"),)),
    "no tags": ("4 < 5", (Text("4 < 5"),)),
    "white space of the text itself": (" 4", (Text(" 4"),)),
    "other tags": ("<b>4</b>", (Text("<b>4</b>"),)),
    "a tag mentioned in the text": ("Use <think>x</think>.", (Text("Use <think>x</think>."),)),
    "a second pair of tags": ("<think>a</think>b <think>c</think>", (thought("a"), Text("b <think>c</think>"))),
    "tags inside the thinking": ("<think>a <b> </b> < /think></think>c", (thought("a <b> </b> < /think>"), Text("c"))),
    "white space inside": ("<think>a\n\n  b</think>\tc", (thought("a\n\n  b"), Text("c"))),
}


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((thought("2+2"), Text("4")), "<think>\n2+2\n</think>\n\n4"),
        ((thought("a"), ToolCall("c", "f", "{}")), "<think>\na\n</think>\n\n"),
        ((Reasoning("of another vendor", Signature("gemini", "s")), Text("4")), "4"),
    ],
)
def test_thinking_is_sent_back_as_it_came(parts: tuple[Part, ...], content: str) -> None:
    """platform.minimax.io, OpenAI-compatible API: the tags must be kept in the history."""
    written = write_request(Request((Message("assistant", parts),)), Target("m", chat=TAGGED))
    (turn,) = written.body["messages"]
    assert turn["content"] == content and "reasoning_content" not in turn


def whole(content: Any, server: ChatServer = TAGGED, **members: Any) -> tuple[Part, ...]:
    message = {"role": "assistant", "content": content, **members}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return answer_from({"id": "1", "model": "m", "choices": [choice]}, StreamReader(origin(server=server))).parts


def streamed(*deltas: Mapping[str, Any], server: ChatServer = TAGGED) -> tuple[Part, ...]:
    reader = StreamReader(origin(server=server))
    events = []
    for delta in deltas:
        events += reader.feed(None, encode({"id": "1", "choices": [{"index": 0, "delta": delta}]}).decode())
    return fold([*events, *reader.feed(None, "[DONE]")]).parts


@pytest.mark.parametrize("case", CASES)
def test_tags_are_read_whole_and_one_character_at_a_time(case: str) -> None:
    content, expected = CASES[case]
    assert whole(content) == expected
    assert streamed({"content": content}) == expected
    assert streamed(*({"content": character} for character in content)) == expected


PIECES = st.sampled_from(["<think>", "</think>", "<", "think", ">", "/", " ", "\n", "a", "</thi"])


@given(st.lists(PIECES, max_size=9))
def test_any_cutting_gives_the_whole_answer(pieces: list[str]) -> None:
    assert streamed({"role": "assistant"}, *({"content": piece} for piece in pieces)) == whole("".join(pieces))


def test_tags_are_not_read_by_default() -> None:
    content = "<think>a</think>b"
    assert whole(content, PLAIN) == streamed({"content": content}, server=PLAIN) == (Text(content),)


def test_calls_come_after_the_thinking() -> None:
    function = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    expected = (thought("a"), ToolCall("c", "f", "{}"))
    assert whole("<think>a</think>\n", tool_calls=[function]) == expected
    assert streamed({"content": "<think>a</think>\n"}, {"tool_calls": [{"index": 0, **function}]}) == expected


def test_citation_offsets_are_shifted_by_the_tags() -> None:
    cited = {"url": "https://e.org", "title": "t", "start_index": 19, "end_index": 20}
    members: dict[str, Any] = {"annotations": [{"type": "url_citation", "url_citation": cited}]}
    expected = (thought("a"), Text("b c", citations=(Citation(1, 2, "https://e.org", "t"),)))
    content = "<think>a</think>\n\nb c"
    assert whole(content, **members) == expected
    assert streamed({"content": content}, members) == expected


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_clients_get_the_thinking_as_thinking(client: str, stream: bool) -> None:
    content = "<think>\nhm\n</think>\n\nso"
    request = Request((), stream=stream)
    relay = Translation(new_attempt(client, stream=stream), request, "chat", "m", VendorRequest({}), TAGGED)
    if stream:
        deltas = [{"content": character} for character in content]
        chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        frames = [*(Frame(b"", None, encode(chunk).decode()) for chunk in chunks), Frame(b"", None, "[DONE]")]
        turns = echo_stream(client, run(relay, frames))
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        turns = echo(client, decode(relay.body(encode({"id": "1", "model": "m", "choices": [choice]}))))
    assert _told(client, turns) == ("hm", "so")


def _told(client: str, turns: list[dict[str, Any]]) -> tuple[str, str]:
    match client:
        case "chat":
            return turns[0]["reasoning_content"], turns[0]["content"]
        case "messages":
            thinking, words = turns[0]["content"]
            return thinking["thinking"], words["text"]
        case _:
            thinking, message = turns
            return thinking["summary"][0]["text"], message["content"][0]["text"]

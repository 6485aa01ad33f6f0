"""Hostile text takes linear time: in quadratic time these would take seconds to hours, and serve no other call. Long
requests are in test_long_requests.py."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from nexus.conversation.parts import Message, Request, Text, ToolCall
from nexus.errors import ClientError, InvalidRequest
from nexus.models import bedrock
from nexus.models.names import anthropics_id
from nexus.protocols import loader
from nexus.protocols.chat.call_ids import plain_id
from nexus.protocols.chat.read_stream import StreamReader as ChatReader
from nexus.protocols.chat.think_tags import ThinkTags
from nexus.protocols.codec import Target
from nexus.protocols.gemini.grounding import Grounding
from nexus.protocols.multipart import boundary_of, read_form
from nexus.protocols.open_parts import OpenParts
from nexus.protocols.pairing import paired
from nexus.wire import encode
from tests.protocols.kit import origin
from tests.steps import steps

MANY = 200_000


USER = {"role": "user", "content": "hi"}
CLEARED = {"role": "system", "content": "a", "clear_at": "next_user_message"}


def refused(read: Callable[..., object], *given: Any) -> None:
    with pytest.raises(InvalidRequest):
        read(*given)


DETAIL = {"type": "reasoning.text", "text": "b", "index": 0}
FORM = b'--b\r\nContent-Disposition: form-data; name="a"' + b" " * 8000 + b"x\r\n\r\n\r\n"


def streamed(*deltas: Any) -> None:
    reader = ChatReader(origin())
    for delta in deltas:
        reader.feed(None, encode({"id": "r", "choices": [{"index": 0, "delta": delta}]}).decode())


def piece(arguments: str, **members: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"tool_calls": [{"index": 0, "id": "c", "function": function, **members}]}


def interleaved() -> None:
    """A call's arguments between parts that start and end."""
    parts: OpenParts[str] = OpenParts()
    parts.start("call", ToolCall("c", "f", ""))
    for _ in range(SOME):
        parts.extend("call", '{"a":[', ToolCall("", "", ""))
        parts.start("text", Text(""))
        parts.end("text")


def grounded(many: int) -> None:
    """A source for each piece of a text."""
    grounding = Grounding()
    for _ in range(many):
        grounding.add_text(0, 0, "a")
    supports = [{"segment": {"startIndex": at, "endIndex": at + 1}, "groundingChunkIndices": [0]} for at in range(many)]
    source = {"web": {"uri": "https://example.com", "title": "a"}}
    cited = list(grounding.read({"groundingMetadata": {"groundingChunks": [source], "groundingSupports": supports}}))
    assert len(cited) == many


def called(many: int) -> None:
    """Calls of tools, each complete before the next."""
    streamed(*(piece("{}", index=at, id=f"c{at}") for at in range(many)))


def cached(many: int) -> None:
    """More cache points than Bedrock accepts."""
    target = Target("amazon.nova-pro-v1:0", converse=bedrock.profile("amazon.nova-pro-v1:0"))
    request = Request((Message("user", (Text("a", cache="5m"),) * many),))
    assert loader.vendor("converse").write_request(request, target).dropped == ("cache",)


CASES: Mapping[str, Callable[[], object]] = {
    "the id of a tool call": lambda: plain_id("__nexus_a_b_" * MANY + "!"),
    "the name of a model": lambda: anthropics_id(".claude-" * MANY + "!"),
    "thinking between tags": lambda: ThinkTags().feed("<think>" + ("a" + " " * MANY) * 5 + "b"),
    "the content type of a form": lambda: refused(boundary_of, "multipart/form-data" + " " * MANY + "x"),
    "the arguments of a call": lambda: streamed(piece("{" * 1000), *[piece("{")] * (SOME)),
    "the arguments of a call with other ids": lambda: streamed(*[piece("[{}", id=str(at)) for at in range(SOME)]),
    "arguments between texts": lambda: streamed(*[piece("[{},"), {"content": "a"}] * (SOME)),
    "arguments between parts": lambda: interleaved(),
    "thinking that may be told again": lambda: streamed(
        {"reasoning": "a" * 1_000_000}, *[{"reasoning": "a"}, {"reasoning_details": [DETAIL]}] * (SOME)
    ),
    "a part of a form": lambda: refused(read_form, FORM, b"b"),
}


def chat(*messages: Any, **members: Any) -> None:
    write("chat", {"messages": [USER, *messages, USER], **members})


def messages(*messages: Any, **members: Any) -> None:
    write("messages", {"max_tokens": 9, "messages": [USER, *messages, USER], **members})


def write(client: str, document: Mapping[str, Any]) -> None:
    request, _ = paired(loader.client(client).read({"model": "m", **document}).request)
    for vendor in ("chat", "messages"):
        with suppress(ClientError):
            loader.vendor(vendor).write_request(request, Target("m"))


def legacy() -> list[Any]:
    """Calls, and their results in the reverse order."""
    names = [f"f{at}" for at in range(FEW)]
    calls = [{"role": "assistant", "function_call": {"name": name, "arguments": "{}"}} for name in names]
    return [*calls, *({"role": "function", "name": name, "content": "a"} for name in reversed(names))]


def tools() -> dict[str, Any]:
    functions = [{"type": "function", "function": {"name": f"f{at}"}} for at in range(FEW)]
    return {
        "tools": functions,
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": functions}},
    }


def thinking() -> dict[str, Any]:
    entries = [{"type": "reasoning.text", "text": "t", "position": [at, 0]} for at in range(FEW)]
    return {"role": "assistant", "content": "a" * 10_000_000, "reasoning_details": entries}


def schemas() -> None:
    """References multiply what the alternatives hold."""
    held: dict[str, Any] = {"properties": {f"p{at}": {} for at in range(FEW)}}
    schema = {"anyOf": [{"$ref": "#/$defs/b"}] * FEW, "$defs": {"b": held}}
    chat(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])


SOME = 10_000
"""Pieces of a stream."""

FEW = 4_000
"""Messages and others; they are slower than characters."""

REQUESTS: Mapping[str, Callable[[], object]] = {
    "cleared messages": lambda: messages(*[CLEARED] * 10 * FEW),
    "calls of the old form": lambda: chat(*legacy()),
    "a choice of tools": lambda: chat(**tools()),
    "positions of thinking": lambda: chat(thinking()),
    "alternatives of a schema": schemas,
}


@pytest.mark.parametrize("case", REQUESTS)
def test_hostile_requests_take_linear_time(case: str) -> None:
    REQUESTS[case]()


@pytest.mark.parametrize("case", CASES)
def test_hostile_text_takes_linear_time(case: str) -> None:
    CASES[case]()


@pytest.mark.parametrize("case", [grounded, called, cached])
def test_four_times_as_much_takes_four_times_the_steps(case: Callable[[int], None]) -> None:
    case(9)  # Patterns are compiled on first use.
    few, many = steps(lambda: case(200)), steps(lambda: case(800))
    assert many < 6 * few

"""Histories with calls without results or results without calls, as clients send them after cuts and interruptions."""

import pytest

from nexus.conversation.parts import Image, Inline, Message, Part, Request, Text, ToolCall, ToolResult
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.protocols.pairing import CAME, LOST_CALL, NO_RESULT, paired
from tests.laws.kit import TARGETS

PICTURE = Image(Inline("image/png", "iVBORw0KGgo="))


def call(id: str) -> ToolCall:
    return ToolCall(id, "look", "{}")


def result(id: str, words: str = "seen") -> ToolResult:
    return ToolResult(id, (Text(words),))


def none(id: str) -> ToolResult:
    return ToolResult(id, (Text(NO_RESULT),), is_error=True)


def user(*parts: Part) -> Message:
    return Message("user", parts or (Text("Hi"),))


def made(*parts: Part) -> Message:
    return Message("assistant", parts)


SYSTEM = Message("system", (Text("Be brief."),))
LOST_RESULT, OPEN_CALL = ("messages.tool_result",), ("messages.tool_call",)

IN_ORDER: dict[str, tuple[Message, ...]] = {
    "none": (user(),),
    "one pair": (user(), made(call("a")), user(result("a"))),
    "two calls answered in reverse order": (made(call("a"), call("b")), user(result("b"), result("a"))),
    "two messages in a row": (made(call("a")), made(Text("I look.")), user(result("a"))),
    "a message between call and result": (made(call("a")), SYSTEM, user(), user(result("a"))),
}

MENDED: dict[str, tuple[tuple[Message, ...], tuple[Message, ...], tuple[str, ...]]] = {
    "a result whose call was removed": (
        (user(ToolResult("a", (Text("seen"), PICTURE))), made(Text("So?"))),
        (user(Text(LOST_CALL), Text("seen"), PICTURE), made(Text("So?"))),
        LOST_RESULT,
    ),
    "a call that was interrupted": (
        (user(), made(call("a"), call("b")), user(result("b"), Text("Stop."))),
        (user(), made(call("a"), call("b")), user(none("a")), user(result("b"), Text("Stop."))),
        OPEN_CALL,
    ),
    "a call at the end": ((user(), made(call("a"))), (user(), made(call("a")), user(none("a"))), OPEN_CALL),
    "a late result": (
        (user(), made(call("a")), user(), made(Text("I wait.")), user(result("a"))),
        (user(), made(call("a")), user(result("a")), user(), made(Text("I wait.")), user(Text(CAME))),
        (),
    ),
    "a late result with text": (
        (user(), made(call("a")), user(), made(Text("I wait.")), user(result("a"), Text("There."))),
        (user(), made(call("a")), user(result("a")), user(), made(Text("I wait.")), user(Text("There."))),
        (),
    ),
    "call and result unpaired": (
        (user(result("x")), made(call("a")), user()),
        (user(Text(LOST_CALL), Text("seen")), made(call("a")), user(none("a")), user()),
        (*LOST_RESULT, *OPEN_CALL),
    ),
    "one call answered twice": (
        (made(call("a")), user(result("a"), result("a", "again"))),
        (made(call("a")), user(result("a"), Text(LOST_CALL), Text("again"))),
        LOST_RESULT,
    ),
}


@pytest.mark.parametrize("messages", IN_ORDER.values(), ids=IN_ORDER)
def test_a_complete_history_is_left_unchanged(messages: tuple[Message, ...]) -> None:
    request = Request(messages)
    found, lost = paired(request)
    assert found is request and lost == ()


@pytest.mark.parametrize(("messages", "expected", "lost"), MENDED.values(), ids=MENDED)
def test_unpaired_calls_and_results_are_repaired_and_reported(
    messages: tuple[Message, ...], expected: tuple[Message, ...], lost: tuple[str, ...]
) -> None:
    request, named = paired(Request(messages))
    assert (request.messages, named) == (expected, lost)
    assert paired(request) == (request, ()), "a repaired history is complete"


WRITTEN = [(vendor, target) for vendor, targets in TARGETS.items() for target in targets]


@pytest.mark.parametrize(("vendor", "target"), WRITTEN, ids=lambda value: getattr(value, "model", value))
def test_every_writer_accepts_a_repaired_history(vendor: str, target: Target) -> None:
    for messages, _, _ in MENDED.values():
        request, _ = paired(Request((*messages, user(Text("Go on.")))))
        loader.vendor(vendor).write_request(request, target)

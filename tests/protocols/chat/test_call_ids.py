"""Signatures packed into the ids of tool calls, for clients that return only the fields they know."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseStart
from nexus.conversation.parts import Message, Reasoning, Signature, StreamPart, Text, ToolCall, ToolResult
from nexus.protocols.chat.call_ids import MOST, SignaturesInIds, call_signature, pack, plain_id, thinking_signature
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.contract import through

SIGNATURE = base64.b64encode(bytes(range(200))).decode()
THOUGHT = "Let me see."


@given(st.text(max_size=30), st.sampled_from(["gemini", "messages"]), st.text(min_size=1) | st.just(SIGNATURE))
def test_unpacking_an_id_returns_what_was_packed(id: str, dialect: str, value: str) -> None:
    packed = pack(id, Signature(dialect, value))
    if "__nexus_" not in id:
        assert (plain_id(packed), call_signature(packed)) == (id, Signature(dialect, value))
    assert plain_id(id) == id or "__nexus_" in id


def test_a_packed_id_has_only_characters_that_clients_preserve() -> None:
    packed = pack("call_1", Signature("gemini", SIGNATURE))
    assert packed.replace("_", "").replace("-", "").isalnum()


def test_a_signature_that_is_too_long_is_not_packed() -> None:
    assert pack("call_1", Signature("gemini", "x" * MOST)) == "call_1"


def passed(*parts: StreamPart, thinking: bool = False, late: Signature | None = None) -> list[str]:
    """The ids of the calls in an answer with these parts."""
    carrier = SignaturesInIds(thinking=thinking)
    events: list[Event] = [ResponseStart("r", "m")]
    for index, part in enumerate(parts):
        words = getattr(part, "text", "")
        bare = Reasoning("", part.signature, part.redacted) if isinstance(part, Reasoning) else part
        events += [PartStart(index, bare), *([PartDelta(index, words)] if words else [])]
        events.append(PartEnd(index, late if isinstance(part, Reasoning) else None))
    found = list(through([carrier], events))
    return [event.part.id for event in found if isinstance(event, PartStart) and isinstance(event.part, ToolCall)]


def call(id: str = "call_1", signature: Signature | None = None) -> ToolCall:
    return ToolCall(id, "look", "{}", signature)


def test_a_gemini_signature_is_packed_into_its_own_call() -> None:
    first, second = passed(Reasoning("Hm."), call(signature=Signature("gemini", SIGNATURE)), call("call_2"))
    assert (call_signature(first), plain_id(first), second) == (Signature("gemini", SIGNATURE), "call_1", "call_2")


@pytest.mark.parametrize("late", [False, True], ids=["known at once", "known at the end"])
def test_a_claude_signature_is_packed_into_the_first_call_when_thinking_is_on(late: bool) -> None:
    signature = Signature("messages", SIGNATURE)
    parts = (Reasoning(THOUGHT, None if late else signature), Text("I look."), call(), call("call_2"))
    assert passed(*parts, late=signature if late else None) == ["call_1", "call_2"]
    first, second = passed(*parts, thinking=True, late=signature if late else None)
    assert (plain_id(first), call_signature(first), second) == ("call_1", None, "call_2")
    told = {"tool_calls": [{"id": first}], "reasoning_content": THOUGHT}
    assert thinking_signature(told) == signature
    assert thinking_signature(told | {"reasoning_content": "Let me see!"}) is None
    assert thinking_signature({"tool_calls": [{"id": first}]}) is None


UNFIT: dict[str, tuple[StreamPart, ...]] = {
    "several thoughts": (
        Reasoning(THOUGHT, Signature("messages", "s")),
        Reasoning("More.", Signature("messages", "t")),
    ),
    "none that is readable": (Reasoning("", Signature("messages", "s"), redacted=True),),
    "without a signature": (Reasoning(THOUGHT),),
    "of another vendor": (Reasoning(THOUGHT, Signature("converse", "s")),),
    "after text": (Text("I think."), Reasoning(THOUGHT, Signature("messages", "s"))),
}


@pytest.mark.parametrize("parts", UNFIT.values(), ids=UNFIT)
def test_a_signature_that_could_not_be_restored_is_not_packed(parts: tuple[StreamPart, ...]) -> None:
    assert passed(*parts, call(), thinking=True) == ["call_1"]


def history(id: str, **more: Any) -> tuple[Message, ...]:
    function = {"name": "look", "arguments": "{}"}
    made = {"role": "assistant", "content": None, "tool_calls": [{"id": id, "type": "function", "function": function}]}
    result = {"role": "tool", "tool_call_id": id, "content": "seen"}
    return read_request({"messages": [{"role": "user", "content": "Hi"}, made | more, result]}).request.messages[1:]


def test_a_history_gets_the_vendors_ids_and_signatures_back() -> None:
    result = Message("user", (ToolResult("call_1", (Text("seen"),)),))
    assert history(pack("call_1", Signature("gemini", SIGNATURE))) == (
        Message("assistant", (call(signature=Signature("gemini", SIGNATURE)),)),
        result,
    )
    claude = Signature("messages", SIGNATURE)
    assert history(pack("call_1", claude, THOUGHT), reasoning_content=THOUGHT) == (
        Message("assistant", (Reasoning(THOUGHT, claude), call())),
        result,
    )
    assert history(pack("call_1", claude, THOUGHT)) == (Message("assistant", (call(),)), result)


def test_a_signature_in_its_own_field_overrides_the_packed_one() -> None:
    packed = pack("call_1", Signature("gemini", "old"))
    function = {"name": "look", "arguments": "{}"}
    extra = {"google": {"thought_signature": "new"}}
    wire = {"id": packed, "type": "function", "function": function, "extra_content": extra}
    (made, _) = history(packed, tool_calls=[wire])
    assert made.parts == (call(signature=Signature("gemini", "new")),)


def test_ids_of_other_gateways_are_left_alone() -> None:
    assert plain_id("call_1__thought__CiQ") == "call_1__thought__CiQ"

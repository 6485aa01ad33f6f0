"""Requests that refer to earlier answers: to single items, as the AI SDK does, and to whole conversations."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from nexus.conversation.parts import Message, Reasoning, Response, Signature, Stop, Text, ToolCall, ToolResult
from nexus.errors import InvalidRequest
from nexus.protocols.codec import ReadRequest
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_response import write_response
from tests.protocols.kit import envelope

HEX = "0123456789abcdef" * 2
USER = {"role": "user", "content": "Hi"}
CALL = ToolCall("call_1", "look", '{"at":"it"}', Signature("gemini", "sig"))
MADE = (Reasoning("Hm.", Signature("messages", "s")), Text("Let me look."), CALL)
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
CALL_ITEM = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"at":"it"}'}


class Kept(dict[str, Mapping[str, Any]]):
    """A response store that records what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []

    def find(self, ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        self.asked.append(sorted(ids))
        return {id: self[id] for id in ids if id in self}

    def ask(self, *items: Any, **more: Any) -> ReadRequest:
        return read_request({"model": "m", "input": list(items), **more}, self.find)

    def answer(self, read: ReadRequest, *parts: Any, id: str = HEX) -> list[dict[str, Any]]:
        """The items of an answer, stored as the relay stores them."""
        stop = Stop("tool_use" if any(isinstance(part, ToolCall) for part in parts) else "end")
        answer = write_response(Response(f"resp_{id}", "m", parts, stop), envelope(read.request, id=f"resp_{id}"))
        if read.kept is not None:
            self[f"resp_{id}"] = {"answer": answer, **read.kept}
        output: list[dict[str, Any]] = answer["output"]
        return output


@pytest.fixture
def kept() -> Kept:
    return Kept()


def references(items: list[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    return [{"type": "item_reference", "id": item["id"]} for item in items if not types or item["type"] in types]


def test_the_type_of_a_reference_is_optional(kept: Kept) -> None:
    items = kept.answer(kept.ask(USER), Text("Hello."))
    assert kept.ask({"id": items[0]["id"]}).request.messages == (Message("assistant", (Text("Hello."),)),)


def test_the_ai_sdks_references_are_read(kept: Kept) -> None:
    """Text and reasoning by reference, calls in full."""
    items = kept.answer(kept.ask(USER), *MADE)
    own = [*references(items, "message", "reasoning"), CALL_ITEM, OUTPUT]
    assert kept.ask(USER, *own).request.messages[1] == Message("assistant", MADE)


UNKNOWN = {
    "of an unknown answer": f"msg_{'f' * 32}_0",
    "of an answer without such an item": f"msg_{HEX}_7",
    "of OpenAI": "msg_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "not in our form": "x",
}


@pytest.mark.parametrize("id", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_reference_is_rejected_with_the_fix(id: str, kept: Kept) -> None:
    kept.answer(kept.ask(USER), Text("Hello."))
    with pytest.raises(InvalidRequest, match="store: false") as refusal:
        kept.ask(USER, {"type": "item_reference", "id": id})
    assert (refusal.value.param, refusal.value.status) == ("input.1", 400)


def test_without_a_store_the_error_names_the_setting() -> None:
    with pytest.raises(InvalidRequest, match=r"server\.response_store.*store: false"):
        read_request({"input": [{"type": "item_reference", "id": f"msg_{HEX}_0"}]})


def test_a_conversation_may_begin_with_a_string_or_items(kept: Kept) -> None:
    kept.answer(read_request({"input": "Hi"}, kept.find), Text("Hello."))
    read = read_request({"input": "Well?", "previous_response_id": f"resp_{HEX}"}, kept.find)
    assert [message.role for message in read.request.messages] == ["user", "assistant", "user"]


def test_repeated_items_are_added_once(kept: Kept) -> None:
    """The AI SDK repeats calls, and refers to text, in addition to previous_response_id."""
    items = kept.answer(kept.ask(USER), *MADE)
    again = [*references(items, "message"), CALL_ITEM, OUTPUT]
    read = kept.ask(*again, previous_response_id=f"resp_{HEX}")
    assert [message.parts for message in read.request.messages[1:]] == [MADE, (ToolResult("call_1", (Text("seen"),)),)]
    assert read.kept is not None and read.kept["input"] == [OUTPUT]


def test_an_answer_to_a_request_with_references_cannot_be_continued(kept: Kept) -> None:
    items = kept.answer(kept.ask(USER), Text("Hello."), id="1" * 32)
    read = kept.ask(USER, *references(items), USER)
    assert read.kept == {"previous": None}
    kept.answer(read, Text("Hello again."), id="2" * 32)
    with pytest.raises(InvalidRequest, match="store: false") as refusal:
        kept.ask(USER, previous_response_id=f"resp_{'2' * 32}")
    assert refusal.value.param == "previous_response_id"


def test_a_chain_with_a_missing_answer_is_rejected(kept: Kept) -> None:
    kept.answer(kept.ask(USER), Text("Hello."), id="1" * 32)
    kept.answer(kept.ask(USER, previous_response_id=f"resp_{'1' * 32}"), Text("Hello."), id="2" * 32)
    del kept[f"resp_{'1' * 32}"]
    with pytest.raises(InvalidRequest, match="cannot be found"):
        kept.ask(USER, previous_response_id=f"resp_{'2' * 32}")


def test_a_circular_chain_is_rejected(kept: Kept) -> None:
    kept["resp_a"] = {"answer": {"output": []}, "input": [], "previous": "resp_a"}
    with pytest.raises(InvalidRequest, match="cannot be found"):
        kept.ask(USER, previous_response_id="resp_a")


def test_store_false_is_not_stored(kept: Kept) -> None:
    assert kept.ask(USER, store=False).kept is None
    assert kept.ask(USER, store=True).kept == kept.ask(USER).kept == {"input": [USER], "previous": None}
    assert read_request({"input": "Hi"}).kept is None


def test_locations_in_the_earlier_conversation_are_not_locations_in_the_input(kept: Kept) -> None:
    kept.answer(kept.ask(USER), Text("Yes?"))
    messages = kept.ask(OUTPUT, USER, previous_response_id=f"resp_{HEX}").request.messages
    assert [message.at or message.parts[0].at for message in messages] == [
        *("previous_response_id.0", "previous_response_id.1.content.0"),
        *("input.0", "input.1"),
    ]

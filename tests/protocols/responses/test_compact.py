"""Compaction: any model can write the summary, the client carries it, and every other model can read it."""

from typing import Any

import pytest
from openai.types.responses import CompactedResponse

from nexus.conversation.fold import unfold
from nexus.conversation.parts import (
    Message,
    Reasoning,
    Response,
    Stop,
    StreamPart,
    SummaryWanted,
    Text,
    ToolCall,
    ToolChoice,
)
from nexus.errors import InvalidRequest, VendorError
from nexus.protocols.codec import Target
from nexus.protocols.responses.compact import ASK, TOLD, UNREADABLE, write_compacted
from nexus.protocols.responses.passthrough import edit_request
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_response import write_response
from nexus.wire import decode, encode
from tests.protocols.kit import envelope

from .kit import check_response, told

USER = {"role": "user", "content": "Build it."}
TRIGGER = {"type": "compaction_trigger"}
TOOLS = [{"type": "function", "name": "f", "parameters": {}}]


def asked(**more: Any) -> Any:
    return read_request({"model": "m", "input": [USER, TRIGGER], "tools": TOOLS, **more}).request


def answer(*parts: StreamPart, stop: Stop | None = None) -> Response:
    return Response("resp_1", "a/m", parts, stop or Stop("end"))


def test_a_trigger_asks_the_model_for_a_summary() -> None:
    request = asked(text={"format": {"type": "json_object"}}, tool_choice="required")
    assert request.messages == (Message("user", (Text("Build it."),)), SummaryWanted("user", (Text(ASK),)))
    assert (request.tool_choice, request.output_format) == (ToolChoice("none"), None)


def test_a_trigger_that_is_not_last_is_rejected() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_request({"input": [TRIGGER, USER]})
    assert refusal.value.param == "input.0"


def test_the_answer_is_a_single_compaction_item() -> None:
    made = answer(Reasoning("Hm."), Text("We build "), ToolCall("c", "f", "{}"), Text("a house."))
    documents = told(unfold(made), asked())
    assert [document["type"].removeprefix("response.") for document in documents] == [
        *("created", "in_progress", "output_item.added", "compaction.compacting", "output_item.done", "completed")
    ]
    item = {"type": "compaction", "id": "cmp_1_0", "encrypted_content": "nexus.summary.We build a house."}
    whole = write_response(made, envelope(asked(), id="resp_1", model="a/m"))
    assert documents[-2]["item"] == item and documents[-1]["response"] == whole
    assert (whole["status"], whole["output"]) == ("completed", [item])
    check_response(whole)


@pytest.mark.parametrize(
    "made",
    [answer(Text("cut"), stop=Stop("max_tokens")), answer(), answer(ToolCall("c", "f", "{}"), stop=Stop("tool_use"))],
    ids=["cut", "nothing", "only a call"],
)
def test_an_incomplete_summary_is_not_sent(made: Response) -> None:
    """A client that accepted it would lose its conversation."""
    whole = write_response(made, envelope(asked(), id="resp_1", model="a/m"))
    assert (whole["status"], whole["output"]) == ("incomplete", [])
    assert all(document["type"] != "response.output_item.done" for document in told(unfold(made), asked()))


def test_every_model_can_read_the_summary() -> None:
    (item,) = write_response(answer(Text("A house.")), envelope(asked(), id="resp_1", model="a/m"))["output"]
    read = read_request({"input": [USER, item, USER]})
    assert read.request.messages[1] == Message("user", (Text(TOLD + "A house."),)) and read.dropped == ()


def test_openais_encrypted_summary_is_dropped_for_other_vendors_and_reported() -> None:
    read = read_request({"input": [{"type": "compaction", "id": "cmp_x", "encrypted_content": "gAAAA"}, USER]})
    assert read.request.messages[0] == Message("user", (Text(UNREADABLE),)) and read.dropped == ("input.compaction",)


def test_openai_gets_our_summary_as_text_and_its_own_unchanged() -> None:
    (item,) = write_response(answer(Text('A "house".')), envelope(asked(), id="resp_1", model="a/m"))["output"]
    own = {"type": "compaction", "encrypted_content": "gAAAA"}
    body = {"model": "x/m", "input": [USER, item, own]}
    edited = edit_request(encode(body), body, Target("m"))
    said = {"type": "message", "role": "user", "content": TOLD + 'A "house".'}
    assert decode(edited.body) == {"model": "m", "input": [USER, said, own]} and edited.dropped == ()


SAID: dict[str, Any] = {"items": [USER, {"role": "assistant", "content": "Yes."}], "text": "Build it."}


@pytest.mark.parametrize("given", SAID.values(), ids=SAID)
def test_a_compacted_conversation_holds_the_users_messages_and_the_summary(given: Any) -> None:
    request = read_request({"model": "m", "input": given}, compacts=True).request
    assert isinstance(request.messages[-1], SummaryWanted)
    whole = write_compacted({"input": given}, write_response(answer(Text("A house.")), envelope(request, id="resp_1")))
    assert whole is not None
    # The SDK does not list users' messages among the items of an answer, although the API reference says that they
    # are sent.
    CompactedResponse.model_validate(whole | {"output": whole["output"][1:]})
    assert (whole["object"], whole["created_at"]) == ("response.compaction", 7)
    assert whole["output"][0] == {"type": "message", "role": "user", "content": "Build it."}
    assert [item["type"] for item in whole["output"]] == ["message", "compaction"]
    with pytest.raises(VendorError, match="no complete summary"):
        write_compacted({"input": given}, write_response(answer(), envelope(request, id="resp_1")))

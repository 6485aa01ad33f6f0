"""One request with everything that some vendor rejects, sent by the official SDKs on every lane: each vendor answers.

The fake checks what was sent, and so do the vendors' other known restrictions (``tools/fake_upstream/fits``).
"""

import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.server.vendors import DIALECTS, RESPONSES, Lane, Stand
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream, fits

GIF = "R0lGODlhAQABAAAAACwAAAAAAQABAAA="
LONG = "look_" * 16
SCHEMAS: dict[str, Any] = {
    "nothing": {"type": "object"},
    "odata.query": {"type": "object", "properties": {"$filter": {"type": "string"}, "$top": {"type": "integer"}}},
    LONG: {
        "type": "object",
        "anyOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "array"}}, "required": ["b"]},
        ],
    },
}
RESULT = json.dumps({"schema": {"$ref": "#/components/schemas/Pet"}})
CALL = ("odata.query", {"$filter": "a eq 1"})


def chat_request() -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{GIF}"}}
    call = {"id": "c1", "type": "function", "function": {"name": CALL[0], "arguments": json.dumps(CALL[1])}}
    return {
        "model": "v/m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See"}, image]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": RESULT},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()
        ],
    }


def messages_request() -> dict[str, Any]:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": GIF}}
    found = {"type": "tool_result", "tool_use_id": "c1", "content": RESULT}
    return {
        "model": "v/m",
        "max_tokens": 64,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See"}, image]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": CALL[0], "input": CALL[1]}]},
            {"role": "user", "content": [found]},
            {"role": "assistant", "content": "So it is."},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [{"name": name, "input_schema": schema} for name, schema in SCHEMAS.items()],
    }


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_every_vendor_answers_an_awkward_chat_request(lane: Lane, tmp_path: Path) -> None:
    if lane.passes == "chat" and lane is not RESPONSES:
        pytest.skip("passthrough lane")
    with FakeUpstream(lane.vendor) as upstream, Nexus.of(lane.config(upstream, tmp_path), tmp_path) as nexus:
        with openai.OpenAI(base_url=nexus.openai, api_key="any", max_retries=0) as client:
            for stream in (False, True):
                upstream.next(_answer(upstream, nexus, "/llm/openai/v1/chat/completions", chat_request()))
                asked: Any = chat_request()
                if stream:
                    with client.chat.completions.stream(**asked) as events:
                        message: Any = events.get_final_completion().choices[0].message
                else:
                    message = client.chat.completions.create(**asked).choices[0].message
                (call,) = message.tool_calls
                assert (call.function.name, json.loads(call.function.arguments)) == CALL, stream
        assert upstream.violations == []
        assert [words for request in upstream.requests for words in refused(lane, request.json)] == []


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_every_vendor_answers_an_awkward_messages_request(lane: Lane, tmp_path: Path) -> None:
    if lane.passes == "messages":
        pytest.skip("passthrough lane")
    with FakeUpstream(lane.vendor) as upstream, Nexus.of(lane.config(upstream, tmp_path), tmp_path) as nexus:
        with anthropic.Anthropic(base_url=nexus.anthropic, api_key="any", max_retries=0) as client:
            for stream in (False, True):
                upstream.next(_answer(upstream, nexus, "/llm/anthropic/v1/messages", messages_request()))
                asked: Any = messages_request()
                if stream:
                    with client.messages.stream(**asked) as events:
                        answer: Any = events.get_final_message()
                else:
                    answer = client.messages.create(**asked)
                (call,) = [block for block in answer.content if block.type == "tool_use"]
                assert (call.name, call.input) == CALL, stream
        assert upstream.violations == []
        assert [words for request in upstream.requests for words in refused(lane, request.json)] == []


def refused(lane: Lane, body: dict[str, Any]) -> list[str]:
    """Why the real vendor would reject it."""
    if lane.vendor == "openai":
        functions = [tool.get("function", tool) for tool in body["tools"]]
        return list(fits.openai_problems([(function["name"], function["parameters"]) for function in functions]))
    if lane.passes == "messages":
        return list(fits.claude_problems(body["tools"]))
    return list(fits.gemini_problems(body.get("contents", [])))


def _answer(upstream: FakeUpstream, nexus: Nexus, path: str, body: dict[str, Any]) -> Behaviour:
    """A call of the tool, with the name and the key that the vendor received for it."""
    assert nexus.post(path, body).status == 200
    sent = json.dumps(upstream.requests[-1].json)
    return Behaviour(tool_calls=((_called(sent), json.dumps({_key(sent): "a eq 1"})),))


def _called(sent: str) -> str:
    """The second tool name in the body."""
    document = json.loads(sent)
    names = [name for name in _names(document) if name.startswith("odata")]
    return names[0]


def _names(value: Any) -> list[str]:
    match value:
        case dict():
            own = [value["name"]] if isinstance(value.get("name"), str) else []
            return own + [name for inner in value.values() for name in _names(inner)]
        case list():
            return [name for inner in value for name in _names(inner)]
        case _:
            return []


def _key(sent: str) -> str:
    for known in ('"$filter"', '"filter"', '"_filter"'):
        if known in sent:
            return known.strip('"')
    return next(part.split('"')[0] for part in sent.split('"')[1::2] if "filter" in part)


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_schemas_that_refer_to_each_other_without_end_are_no_internal_error(stand: Stand, lane: Lane) -> None:
    house = stand(lane)
    chain: dict[str, Any] = {f"d{at}": {"$ref": f"#/$defs/d{at + 1}"} for at in range(900)} | {
        "d900": {"type": "object"}
    }
    schema = {"$ref": "#/$defs/d0", "$defs": chain}
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        try:
            client.chat.completions.create(model="v/m", messages=[{"role": "user", "content": "Hi"}], tools=[tool])
        except openai.BadRequestError as error:
            assert "schema" in str(error)

"""JSON output and forced tools on the newest Claude, which does not support forcing: every host, chat and Responses,
whole and streamed, by the official SDK; the fakes enforce the vendors' restrictions for this model.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.server.vendors import LANES, Lane, Stand, Standing
from tests.serving import Reply
from tools.fake_upstream import Behaviour

MODELS = {
    "anthropic": "claude-opus-5-5",
    "vertex claude": "claude-opus-5-5",
    "bedrock claude": "us.anthropic.claude-opus-5-5",
}
NEWEST = [Lane(lane.name, lane.vendor, MODELS[lane.name], lane.passes) for lane in LANES if lane.name in MODELS]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PARAMETERS = {"type": "object", "properties": {"$city": {"type": "string", "minLength": 1}}, "required": ["$city"]}
NAME = "weather.find"
"""Claude accepts neither this schema nor its property."""


@dataclass
class Host(Standing):
    @property
    def sent(self) -> dict[str, Any]:
        body: dict[str, Any] = self.upstream.requests[-1].json
        return body

    def ask(self, dialect: str, **members: Any) -> Reply:
        if dialect == "chat":
            return self.nexus.chat({"model": "v/m", "messages": [{"role": "user", "content": "Hi"}]} | members)
        return self.nexus.post("/llm/openai/v1/responses", {"model": "v/m", "input": "Hi"} | members)


@pytest.fixture(params=NEWEST, ids=lambda lane: lane.name)
def host(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Host]:
    standing = stand(request.param)
    yield Host(standing.lane, standing.upstream, standing.nexus)
    assert standing.upstream.violations == []


def has_format(host: Host) -> bool:
    return host.lane.vendor != "bedrock"


def instruction(host: Host) -> str:
    return str(host.sent["system"][-1]["text"])


def formatted(dialect: str, kind: str, **more: Any) -> dict[str, Any]:
    """The request field that asks for JSON, as spelled in the dialect."""
    if kind == "json_object":
        format: dict[str, Any] = {"type": kind}
        return {"response_format": format} if dialect == "chat" else {"text": {"format": format}}
    named = {"name": "n", "schema": SCHEMA} | more
    if dialect == "chat":
        return {"response_format": {"type": kind, "json_schema": named}}
    return {"text": {"format": {"type": kind, **named}}}


FIELDS = {"chat": "response_format", "responses": "text"}
DIALECTS = pytest.mark.parametrize("dialect", FIELDS)


@DIALECTS
def test_any_json_is_requested_in_the_prompt(host: Host, dialect: str) -> None:
    reply = host.ask(dialect, **formatted(dialect, "json_object"))
    assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, FIELDS[dialect])
    assert "one JSON object" in instruction(host)
    assert host.sent.keys().isdisjoint({"tools", "tool_choice", "output_config"})


@DIALECTS
def test_a_schema_is_enforced_or_requested_in_the_prompt(host: Host, dialect: str) -> None:
    reply = host.ask(dialect, **formatted(dialect, "json_schema"))
    assert reply.status == 200
    if has_format(host):
        assert host.sent["output_config"]["format"]["schema"] == SCHEMA | {"additionalProperties": False}
        assert "x-nexus-dropped" not in reply.headers
    else:
        assert reply.headers["x-nexus-dropped"] == FIELDS[dialect]
        assert '"required":["city"]' in instruction(host)


@DIALECTS
def test_a_strict_schema_is_enforced_or_rejected_naming_model_and_host(host: Host, dialect: str) -> None:
    reply = host.ask(dialect, **formatted(dialect, "json_schema", strict=True))
    if has_format(host):
        assert reply.status == 200
        return
    error = reply.json["error"]
    assert (reply.status, error["type"]) == (400, "invalid_request_error")
    assert error["param"].startswith(FIELDS[dialect])
    assert "us.anthropic.claude-opus-5-5 on Amazon Bedrock" in error["message"]
    assert host.upstream.requests == []


def forced(dialect: str) -> dict[str, Any]:
    function = {"name": NAME, "description": "d", "parameters": PARAMETERS}
    if dialect == "chat":
        tool = {"type": "function", "function": function}
        return {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": NAME}}}
    return {"tools": [{"type": "function", **function}], "tool_choice": {"type": "function", "name": NAME}}


def call_of(client: openai.OpenAI, dialect: str, stream: bool) -> tuple[str, str, str]:
    """Name, arguments and stop reason of the one call that a client with the official SDK reads."""
    if dialect == "chat":
        asked: Any = {"model": "v/m", "messages": [{"role": "user", "content": "Hi"}], **forced(dialect)}
        if stream:
            with client.chat.completions.stream(**asked) as events:
                completion: Any = events.get_final_completion()
        else:
            completion = client.chat.completions.create(**asked)
        (choice,) = completion.choices
        assert not choice.message.content
        (call,) = choice.message.tool_calls
        return call.function.name, call.function.arguments, choice.finish_reason
    asked = {"model": "v/m", "input": "Hi", **forced(dialect)}
    if stream:
        with client.responses.stream(**asked) as events:
            response: Any = events.get_final_response()
    else:
        response = client.responses.create(**asked)
    (item,) = response.output
    return item.name, item.arguments, response.status


@DIALECTS
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_one_tool_by_name_is_called(host: Host, dialect: str, stream: bool) -> None:
    """As text matching the tool's schema, which becomes the call; if the host cannot enforce a schema, Nexus asks in
    words.
    """
    with openai.OpenAI(base_url=host.nexus.openai, api_key="not-used", max_retries=0) as client:
        tried = host.ask(dialect, **forced(dialect))
        tool = host.sent["tools"][0]
        (key,) = tool["input_schema"]["properties"]
        assert tool["name"] != NAME and key != "$city"
        arguments = json.dumps({key: "Paris"})
        if has_format(host):
            host.upstream.default = Behaviour(text=arguments)
        else:
            host.upstream.default = Behaviour(tool_call=True, tool_arguments=arguments)
        name, written, end = call_of(client, dialect, stream)
    assert (name, json.loads(written)) == (NAME, {"$city": "Paris"})
    assert end == ("tool_calls" if dialect == "chat" else "completed")
    if has_format(host):
        assert host.sent["tool_choice"] == {"type": "none"}
        assert list(host.sent["output_config"]["format"]["schema"]["properties"]) == [key]
        place = "tools.0.function.parameters" if dialect == "chat" else "tools.0.parameters"
        assert tried.headers["x-nexus-dropped"].startswith(place)
    else:
        assert host.sent["tool_choice"] == {"type": "auto"}
        assert f"Call the tool {tool['name']}" in instruction(host)
        assert tried.headers["x-nexus-dropped"] == "tool_choice"


@DIALECTS
def test_one_of_several_tools_is_rejected_naming_model_and_host(host: Host, dialect: str) -> None:
    asked = forced(dialect)
    more = json.loads(json.dumps(asked["tools"][0]).replace(NAME, "g"))
    reply = host.ask(dialect, tools=[*asked["tools"], more], tool_choice="required")
    assert (reply.status, reply.json["error"]["param"]) == (400, "tool_choice")
    assert MODELS[host.lane.name] in reply.json["error"]["message"]
    assert host.upstream.requests == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_messages_clients_format_passes_or_is_rejected_like_the_vendor_does(host: Host, stream: bool) -> None:
    """Claude Code retries without the format on this message; a 200 without it would be text where Claude Code parses
    JSON.
    """
    format = {"type": "json_schema", "schema": SCHEMA | {"additionalProperties": False}}
    asked = {"model": "v/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    reply = host.nexus.messages(asked | {"output_config": {"format": format}}, {"anthropic-version": "2023-06-01"})
    if has_format(host):
        assert (reply.status, host.sent["output_config"]) == (200, {"format": format})
        return
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert "output_config.format: Extra inputs are not permitted" in reply.json["error"]["message"]
    assert host.upstream.requests == []

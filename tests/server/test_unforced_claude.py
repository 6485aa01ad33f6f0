"""Forced tools and formats on the newest Claude, which does not support forcing: every host, chat and Responses, whole
and streamed, by the official SDK; the fakes enforce the vendors' restrictions for this model.
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


DIALECTS = pytest.mark.parametrize("dialect", ["chat", "responses"])


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

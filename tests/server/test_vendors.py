"""OpenAI's and Anthropic's SDKs, also those for Bedrock and Vertex AI, against every vendor lane, streaming and not.

The fakes check their requests strictly: ``violations`` stays empty in every test.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from tests.server.test_bedrock_format import sdk as bedrock_sdk
from tests.server.test_vertex_format import sdk as vertex_sdk
from tests.server.vendors import CALLS, DIALECTS, HELLO, LANES, PIXEL, RESPONSES, Stand, Standing
from tests.serving import Nexus
from tools.fake_upstream import Behaviour

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@dataclass
class Vendor(Standing):
    """One lane, running."""

    chat: openai.OpenAI


@pytest.fixture
def vendor(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Vendor]:
    standing = stand(request.param)
    with openai.OpenAI(base_url=standing.nexus.openai, api_key="any", max_retries=0) as chat:
        yield Vendor(standing.lane, standing.upstream, standing.nexus, chat)
    assert standing.upstream.violations == []


Claude = anthropic.Anthropic | anthropic.AnthropicBedrock | anthropic.AnthropicVertex


FORMATS: dict[str, Callable[[Nexus], Claude]] = {
    "Anthropic": lambda nexus: anthropic.Anthropic(base_url=nexus.anthropic, api_key="any", max_retries=0),
    "Bedrock": bedrock_sdk,
    "Vertex AI": vertex_sdk,
}
"""Anthropic's SDKs by format. The other two hosts wrap what the first one gets, so they call three lanes: one that
translates, one that passes, and one with Bedrock's own frames."""


@pytest.fixture
def claude(request: pytest.FixtureRequest, vendor: Vendor) -> Iterator[Claude]:
    with FORMATS[request.param](vendor.nexus) as client:
        yield client


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = [*LANES, RESPONSES] if metafunc.cls in (None, TestText) else DIALECTS
    if "claude" in metafunc.fixturenames:
        lanes = [lane for lane in LANES if lane.name in ("gemini", "anthropic", "bedrock claude")]
        pairs = [(name, lane) for name in FORMATS for lane in (every if name == "Anthropic" else lanes)]
        ids = [f"{lane.name}-{name}" for name, lane in pairs]
        metafunc.parametrize(("claude", "vendor"), pairs, indirect=True, ids=ids)
    elif "vendor" in metafunc.fixturenames:
        metafunc.parametrize("vendor", every, indirect=True, ids=lambda lane: lane.name)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


class TestText:
    def test_chat(self, vendor: Vendor) -> None:
        answer = vendor.chat.chat.completions.create(model="v/m", messages=user("Hi"))
        assert answer.choices[0].message.content == HELLO
        assert (answer.choices[0].finish_reason, answer.model) == ("stop", "v/m")
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 6)

    def test_chat_stream(self, vendor: Vendor) -> None:
        chunks = list(
            vendor.chat.chat.completions.create(
                model="v/m", messages=user("Hi"), stream=True, stream_options={"include_usage": True}
            )
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == HELLO
        assert {chunk.model for chunk in chunks} == {"v/m"}
        assert chunks[-1].usage is not None
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (11, 6)

    def test_messages(self, vendor: Vendor, claude: Claude) -> None:
        answer = claude.messages.create(model="v/m", max_tokens=64, messages=user("Hi"), system="Be kind.")
        assert [block.text for block in answer.content if block.type == "text"] == [HELLO]
        assert (answer.stop_reason, answer.model) == ("end_turn", "v/m")
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 6)

    def test_messages_stream(self, vendor: Vendor, claude: Claude) -> None:
        with claude.messages.stream(model="v/m", max_tokens=64, messages=user("Hi")) as stream:
            assert "".join(stream.text_stream) == HELLO
            final = stream.get_final_message()
        assert final.stop_reason == "end_turn"
        # Bedrock's own frames pass unchanged.
        unchanged = vendor.lane.name == "bedrock claude" and isinstance(claude, anthropic.AnthropicBedrock)
        assert final.model == ("claude-sonnet-4-5-20250929" if unchanged else "v/m")
        assert (final.usage.input_tokens, final.usage.output_tokens) == (11, 6)


class TestTools:
    """Two parallel calls, their results in the other order, and the answer."""

    def chat_tools(self) -> list[Any]:
        return [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]

    @pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
    def test_chat(self, vendor: Vendor, streaming: bool) -> None:
        vendor.upstream.next(Behaviour(tool_calls=CALLS))
        messages = user("Weather in Paris and Rome?")
        if streaming:
            with vendor.chat.chat.completions.stream(model="v/m", messages=messages, tools=self.chat_tools()) as stream:
                first = stream.get_final_completion().choices[0]
        else:
            first = vendor.chat.chat.completions.create(  # type: ignore[assignment]
                model="v/m", messages=messages, tools=self.chat_tools()
            ).choices[0]
        assert first.finish_reason == "tool_calls"
        calls = first.message.tool_calls or []
        asked = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
        assert asked == [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})]
        assert len({call.id for call in calls}) == 2
        results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in reversed(calls)]
        echo = echoed(first.message.model_dump(exclude_none=True))
        answer = vendor.chat.chat.completions.create(
            model="v/m",
            messages=[*messages, echo, *results],  # type: ignore[list-item]
            tools=self.chat_tools(),
        )
        assert answer.choices[0].message.content == HELLO

    @pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
    def test_messages(self, vendor: Vendor, claude: Claude, streaming: bool) -> None:
        vendor.upstream.next(Behaviour(tool_calls=CALLS))
        tools: list[Any] = [{"name": "weather", "input_schema": SCHEMA}]
        messages = user("Weather in Paris and Rome?")
        asked: dict[str, Any] = {"model": "v/m", "max_tokens": 64, "messages": messages, "tools": tools}
        if streaming:
            with claude.messages.stream(**asked) as stream:
                first = stream.get_final_message()
        else:
            first = claude.messages.create(**asked)
        assert first.stop_reason == "tool_use"
        calls = [block for block in first.content if block.type == "tool_use"]
        assert [call.input for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        results = [
            {"type": "tool_result", "tool_use_id": calls[1].id, "content": "no such place", "is_error": True},
            {"type": "tool_result", "tool_use_id": calls[0].id, "content": [{"type": "text", "text": "see"}, image]},
        ]
        echo = [block.model_dump(exclude_none=True) for block in first.content]
        again = [*messages, {"role": "assistant", "content": echo}, {"role": "user", "content": results}]
        answer = claude.messages.create(**{**asked, "messages": again})
        assert answer.content[-1].type == "text"


def echoed(message: dict[str, Any]) -> dict[str, Any]:
    """The assistant's message as agents send it back, without read-only fields."""
    for call in message["tool_calls"]:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return {name: value for name, value in message.items() if name not in ("annotations", "parsed", "refusal")}


class TestStructuredOutput:
    def test_chat(self, vendor: Vendor) -> None:
        forced = Behaviour(text='{"city": "Paris"}', tool_calls=())
        vendor.upstream.default = forced
        asked: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
        probe = vendor.chat.chat.completions.create(model="v/m", messages=user("Where?"), response_format=asked)
        body = vendor.upstream.requests[-1].body
        if b'"name":"answer"' in body:
            vendor.upstream.default = Behaviour(tool_call=True, tool_arguments='{"city": "Paris"}')
            probe = vendor.chat.chat.completions.create(model="v/m", messages=user("Where?"), response_format=asked)
        assert json.loads(probe.choices[0].message.content or "") == {"city": "Paris"}
        assert probe.choices[0].finish_reason == "stop"


STATUSES: dict[int, tuple[type[Exception], type[Exception]]] = {
    400: (openai.BadRequestError, anthropic.BadRequestError),
    401: (openai.AuthenticationError, anthropic.AuthenticationError),
    403: (openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    429: (openai.RateLimitError, anthropic.RateLimitError),
    503: (openai.InternalServerError, anthropic.APIStatusError),
}
"""What OpenAI's and Anthropic's SDKs raise."""

LONG = "one two three four five six seven eight nine ten " * 20
BROKEN = (Behaviour(cut_after=9, text=LONG), Behaviour(end_after=8, text=LONG))
LOST = r"was lost|ended before"


class TestFailures:
    def test_errors_in_messages(self, vendor: Vendor, claude: Claude) -> None:
        for status, (_, error) in STATUSES.items():
            vendor.upstream.default = Behaviour(status=status, message="the vendor's own words")
            with pytest.raises(error, match="the vendor's own words"):
                claude.messages.create(model="v/m", max_tokens=64, messages=user("Hi"))

    def test_a_broken_chat_stream_never_looks_complete(self, vendor: Vendor) -> None:
        for broken in BROKEN:
            vendor.upstream.next(broken)
            with pytest.raises(openai.APIError, match=LOST):
                list(vendor.chat.chat.completions.create(model="v/m", messages=user("Hi"), stream=True))

    def test_a_broken_messages_stream_never_looks_complete(self, vendor: Vendor, claude: Claude) -> None:
        for broken in BROKEN:
            vendor.upstream.next(broken)
            with (
                pytest.raises(anthropic.APIError, match=LOST),
                claude.messages.stream(model="v/m", max_tokens=64, messages=user("Hi")) as stream,
            ):
                stream.until_done()


def test_tokens_are_counted(vendor: Vendor, claude: Claude) -> None:
    if isinstance(claude, anthropic.AnthropicBedrock):
        pytest.skip("this SDK cannot count")
    reply = claude.messages.with_raw_response.count_tokens(model="v/m", messages=user("Hello, you!"))
    uncounted = vendor.lane.passes == "chat" or vendor.lane.name == "bedrock converse"
    assert reply.parse().input_tokens == 11 or (uncounted and "x-nexus-estimated" in reply.headers)


class TestResponses:
    """OpenAI's Responses API, translated for every vendor that lacks it."""

    def test_unary(self, vendor: Vendor) -> None:
        answer = vendor.chat.responses.create(model="v/m", input="Hi", instructions="Be kind.", store=False)
        assert answer.output_text == HELLO
        assert (answer.status, answer.model) == ("completed", "v/m")
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 6)

    def test_stream_with_parallel_tool_calls(self, vendor: Vendor) -> None:
        vendor.upstream.next(Behaviour(tool_calls=CALLS))
        tools: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
        with vendor.chat.responses.stream(model="v/m", input="Paris, Rome?", tools=tools, store=False) as stream:
            final = stream.get_final_response()
        calls = [item for item in final.output if item.type == "function_call"]
        assert [json.loads(call.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
        echo: Any = [item.model_dump(exclude_none=True) for item in final.output]
        for item in echo:
            item.pop("parsed_arguments", None)
        results: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
        again: Any = [{"role": "user", "content": "Paris, Rome?"}, *echo, *results]
        answer = vendor.chat.responses.create(model="v/m", input=again, tools=tools, store=False)
        assert answer.output_text == HELLO

    def test_requests_that_need_a_stored_conversation_are_rejected(self, vendor: Vendor) -> None:
        if vendor.lane is RESPONSES:
            pytest.skip("this vendor stores conversations")
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            vendor.chat.responses.create(model="v/m", input="Hi", previous_response_id="resp_1")

    def test_a_broken_stream_ends_as_failed(self, vendor: Vendor) -> None:
        vendor.upstream.next(Behaviour(cut_after=9, text="one two three four " * 20))
        events = []
        with pytest.raises(openai.APIError):
            for event in vendor.chat.responses.create(model="v/m", input="Hi", stream=True):
                events.append(event.type)
        assert "response.completed" not in events

"""OpenAI's current models through every client protocol, with a fake that enforces OpenAI's restrictions per model."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.server.vendors import Lane, Stand, Standing
from tests.serving import KEY, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

MODELS = ("gpt-5.5", "gpt-5.6-sol", "gpt-6-astra", "gpt-6-sol")
OTHERS = ("gpt-4.1", "gpt-5", "o3")
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": TOOL["input_schema"]}}


def config(url: str, more: str = "responses = true\n") -> str:
    models = "".join(f'[llm.providers.v.models."{model}"]\n' for model in (*MODELS, *OTHERS))
    head = f'[llm.providers.v]\ntype = "openai"\napi_key = "{KEY}"\nbase_url = "{url}"\n'
    return head + more + models


@pytest.fixture
def house(stand: Stand) -> Standing:
    return stand(Lane("every model", "openai", "", None, text=config("{url}")))


@pytest.fixture
def openai_upstream(house: Standing) -> FakeUpstream:
    return house.upstream


@pytest.fixture
def nexus(house: Standing) -> Nexus:
    return house.nexus


@pytest.fixture
def claude(nexus: Nexus) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="not-used", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def _taken(openai_upstream: FakeUpstream) -> Iterator[None]:
    yield
    assert openai_upstream.violations == []


def sent(upstream: FakeUpstream) -> Any:
    return upstream.requests[-1].json


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("model", MODELS)
def test_a_chat_request_that_chat_completions_reject_goes_to_responses(
    nexus: Nexus, openai_upstream: FakeUpstream, model: str, stream: bool
) -> None:
    openai_upstream.next(Behaviour(tool_call=True))
    asked = {"reasoning_effort": "high", "tools": [CHAT_TOOL], "messages": [{"role": "user", "content": "Weather?"}]}
    reply = nexus.chat({"model": f"v/{model}", "stream": stream, **asked})
    assert (reply.status, b'"finish_reason":"tool_calls"' in reply.body) == (200, True)
    assert openai_upstream.requests[-1].route == RESPONSES


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 2), ("logprobs", True), ("audio", {"voice": "ash", "format": "mp3"}), ("modalities", ["text", "audio"])],
)
def test_fields_that_a_translated_answer_cannot_contain_are_rejected_by_name(
    field: str, value: Any, nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    asked = {"model": "v/gpt-5.6-sol", "tools": [CHAT_TOOL], "messages": [{"role": "user", "content": "Hi"}]}
    refused = nexus.chat(asked | {field: value})
    assert refused.status == 400 and refused.json["error"]["param"].startswith(field)
    assert openai_upstream.requests == []


class TestStopSequencesAndLimits:
    """Stop sequences and short limits, which the Responses API lacks."""

    ASKED: Any = {  # noqa: RUF012
        "model": "v/gpt-5.5",
        "max_tokens": 64,
        "stop_sequences": ["x y", "upstream"],
        "messages": [{"role": "user", "content": "Hi"}],
    }

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    @pytest.mark.parametrize(
        ("responses", "model", "route"),
        [("true", "gpt-5.5", RESPONSES), ("false", "o3", CHAT)],
        ids=["responses", "chat"],
    )
    def test_a_stop_sequence(
        self,
        responses: str,
        model: str,
        route: str,
        stream: bool,
        serve: Callable[[str], Nexus],
        openai_upstream: FakeUpstream,
    ) -> None:
        """Also on chat completions, if the model rejects ``stop``."""
        nexus = serve(config(openai_upstream.base_url, f"responses = {responses}\n"))
        with anthropic.Anthropic(base_url=nexus.anthropic, api_key="not-used", max_retries=0) as claude:
            asked = self.ASKED | {"model": f"v/{model}"}
            if stream:
                with claude.messages.stream(**asked) as events:
                    answer = events.get_final_message()
            else:
                answer = claude.messages.create(**asked)
        assert "".join(block.text for block in answer.content if block.type == "text") == "Hello from the fake "
        assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "upstream")
        assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
        assert openai_upstream.requests[-1].route == route and "stop" not in sent(openai_upstream)

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    @pytest.mark.parametrize("model", ["o3", "gpt-5"])
    @pytest.mark.parametrize("responses", ["true", "false"])
    def test_a_stop_sequence_of_a_chat_client_if_the_model_rejects_it(
        self, responses: str, model: str, stream: bool, serve: Callable[[str], Nexus], openai_upstream: FakeUpstream
    ) -> None:
        """By either API of the vendor."""
        nexus = serve(config(openai_upstream.base_url, f"responses = {responses}\n"))
        asked: Any = {"model": f"v/{model}", "stop": ["upstream", "x y"], "stream": stream}
        with openai.OpenAI(base_url=nexus.openai, api_key="not-used", max_retries=0) as client:
            answer: Any = client.chat.completions.create(**asked, messages=[{"role": "user", "content": "Hi"}])
            choices = [chunk.choices[0] for chunk in answer if chunk.choices] if stream else answer.choices
        said = "".join((choice.delta if stream else choice.message).content or "" for choice in choices)
        assert (said, choices[-1].finish_reason) == ("Hello from the fake ", "stop")
        assert openai_upstream.requests[-1].route == (RESPONSES if responses == "true" else CHAT)
        assert "stop" not in sent(openai_upstream)

    def test_the_vendors_stream_is_closed_at_the_cut(
        self, claude: anthropic.Anthropic, openai_upstream: FakeUpstream
    ) -> None:
        """Nexus closes the vendor's connection at the cut: the vendor holds back the rest, and the client does not wait
        for it.
        """
        told, never = threading.Event(), threading.Event()
        told.set()
        openai_upstream.next(Behaviour(text="one STOP two", steps=(*[told] * 6, never)))
        with claude.messages.stream(**self.ASKED | {"stop_sequences": ["e STOP"]}) as events:
            assert "".join(events.text_stream) == "on"
            assert events.get_final_message().stop_sequence == "e STOP"
        openai_upstream.wait_for_disconnects(1, timeout=60)


class TestSummaries:
    REFUSAL = Behaviour(
        status=400,
        message="Your organization must be verified to generate reasoning summaries.",
        error_param="reasoning.summary",
        error_code="unsupported_value",
    )
    ASKED: Any = {  # noqa: RUF012
        "model": "v/gpt-5.5",
        "max_tokens": 64,
        "thinking": {"type": "adaptive"},
        "messages": [{"role": "user", "content": "Hi"}],
    }

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    def test_rejected_summaries_are_left_out_from_then_on(
        self,
        stream: bool,
        serve: Callable[[str], Nexus],
        openai_upstream: FakeUpstream,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        nexus = serve(config(openai_upstream.base_url))
        openai_upstream.next(self.REFUSAL)
        first, second = nexus.messages(self.ASKED | {"stream": stream}), nexus.messages(self.ASKED)
        assert (first.status, second.status) == (200, 200)
        assert first.headers["x-nexus-dropped"] == second.headers["x-nexus-dropped"] == "reasoning.summary"
        asked = [request.json.get("reasoning") for request in openai_upstream.requests]
        assert asked == [{"summary": "auto"}, None, None]
        assert caplog.text.count("reasoning summaries are refused") == 1

    def test_a_setting_selects_the_kind_of_summary(
        self, serve: Callable[[str], Nexus], openai_upstream: FakeUpstream
    ) -> None:
        nexus = serve(config(openai_upstream.base_url, 'responses = true\nreasoning_summary = "detailed"\n'))
        assert nexus.messages(self.ASKED).status == 200
        assert sent(openai_upstream)["reasoning"] == {"summary": "detailed"}


def test_counting_tokens_asks_for_no_summary(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    asked = {"model": "v/gpt-5.5", "thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "Hi"}]}
    assert nexus.post("/llm/anthropic/v1/messages/count_tokens", asked).status == 200
    assert "reasoning" not in sent(openai_upstream)

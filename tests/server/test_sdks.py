"""The official SDKs, unchanged but for their base URL, against the real server."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

HELLO = "Hello from the fake upstream."


@pytest.fixture
def chat(nexus: Nexus) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=nexus.openai, api_key="not-used", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(nexus: Nexus) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="not-used", max_retries=0) as client:
        yield client


class TestOpenAI:
    def test_a_completion(self, chat: openai.OpenAI) -> None:
        answer = chat.chat.completions.create(model="openai/smart", messages=[{"role": "user", "content": "Hi"}])
        assert answer.choices[0].message.content == HELLO
        assert answer.model == "openai/smart"
        assert answer.usage is not None
        assert answer.usage.total_tokens > 0

    def test_a_stream(self, chat: openai.OpenAI) -> None:
        stream = chat.chat.completions.create(
            model="openai/smart", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        chunks = list(stream)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == HELLO
        assert {chunk.model for chunk in chunks} == {"openai/smart"}

    def test_the_models(self, chat: openai.OpenAI) -> None:
        assert [model.id for model in chat.models.list()] == ["openai/gpt-4", "openai/smart", "anthropic/claude"]
        assert chat.models.retrieve("openai/smart").owned_by == "openai"

    def test_errors_have_their_own_types(self, chat: openai.OpenAI, openai_upstream: FakeUpstream) -> None:
        with pytest.raises(openai.NotFoundError) as unknown:
            chat.chat.completions.create(model="openai/none", messages=[])
        assert unknown.value.code == "model_not_found"
        openai_upstream.default = Behaviour(status=429)
        with pytest.raises(openai.RateLimitError):
            chat.chat.completions.create(model="openai/gpt-4", messages=[{"role": "user", "content": "Hi"}])

    def test_a_broken_stream_is_an_error(self, chat: openai.OpenAI, openai_upstream: FakeUpstream) -> None:
        openai_upstream.next(Behaviour(cut_after=3))
        stream = chat.chat.completions.create(
            model="openai/gpt-4", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match=r"broke off|ended before"):
            list(stream)


class TestAnthropic:
    def test_a_message(self, claude: anthropic.Anthropic) -> None:
        answer = claude.messages.create(
            model="anthropic/claude", max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
        )
        assert answer.content[0].type == "text"
        assert answer.content[0].text == HELLO
        assert answer.model == "anthropic/claude"

    def test_a_stream(self, claude: anthropic.Anthropic) -> None:
        with claude.messages.stream(
            model="anthropic/claude", max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
        ) as stream:
            assert "".join(stream.text_stream) == HELLO
            assert stream.get_final_message().model == "anthropic/claude"

    def test_thinking_keeps_its_signature(self, claude: anthropic.Anthropic, anthropic_upstream: FakeUpstream) -> None:
        anthropic_upstream.next(Behaviour(thinking="Let me see."))
        with claude.messages.stream(
            model="anthropic/claude",
            max_tokens=2048,
            thinking={"type": "enabled", "budget_tokens": 1024},
            messages=[{"role": "user", "content": "Hi"}],
        ) as stream:
            thought = stream.get_final_message().content[0]
        assert thought.type == "thinking"
        assert thought.signature

    def test_the_models_page_by_page(self, claude: anthropic.Anthropic) -> None:
        page = claude.models.list(limit=2)
        assert page.has_more
        assert [model.id for model in page] == ["openai/gpt-4", "openai/smart", "anthropic/claude"]
        assert claude.models.retrieve("anthropic/claude").type == "model"

    def test_errors_have_their_own_types(self, claude: anthropic.Anthropic, anthropic_upstream: FakeUpstream) -> None:
        anthropic_upstream.default = Behaviour(status=529)
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            claude.messages.create(
                model="anthropic/claude", max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
            )
        assert overloaded.value.status_code == 529
        assert overloaded.value.request_id

    def test_a_broken_stream_is_an_error(self, claude: anthropic.Anthropic, anthropic_upstream: FakeUpstream) -> None:
        anthropic_upstream.next(Behaviour(cut_after=5))
        with (
            pytest.raises(anthropic.APIError, match=r"broke off|ended before"),
            claude.messages.stream(
                model="anthropic/claude", max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
            ) as stream,
        ):
            stream.until_done()

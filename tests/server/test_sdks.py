"""The official SDKs against the real server: features that differ by vendor; ``test_vendors`` covers the others.

Model lists, and errors as each SDK presents them.
"""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream


@pytest.fixture
def chat(nexus: Nexus) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=nexus.openai, api_key="not-used", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(nexus: Nexus) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="not-used", max_retries=0) as client:
        yield client


class TestOpenAI:
    def test_the_models_are_listed(self, chat: openai.OpenAI) -> None:
        assert [model.id for model in chat.models.list()] == ["openai/gpt-4", "openai/smart", "anthropic/claude"]
        assert chat.models.retrieve("openai/smart").owned_by == "openai"

    def test_an_error_has_its_own_type(self, chat: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as unknown:
            chat.chat.completions.create(model="openai/none", messages=[])
        assert unknown.value.code == "model_not_found"


class TestAnthropic:
    def test_the_models_are_listed_in_pages(self, claude: anthropic.Anthropic) -> None:
        page = claude.models.list(limit=2)
        assert page.has_more
        assert [model.id for model in page] == ["openai/gpt-4", "openai/smart", "anthropic/claude"]
        assert claude.models.retrieve("anthropic/claude").type == "model"

    def test_an_error_names_its_request(self, claude: anthropic.Anthropic, anthropic_upstream: FakeUpstream) -> None:
        anthropic_upstream.default = Behaviour(status=529)
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            claude.messages.create(
                model="anthropic/claude", max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
            )
        assert overloaded.value.status_code == 529
        assert overloaded.value.request_id

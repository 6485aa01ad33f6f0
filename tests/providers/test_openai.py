"""Which dialect is used with the OpenAI provider, and where facts about OpenAI's models apply."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from nexus.errors.failure import VendorFailure
from nexus.models.gpt import UNKNOWN, known
from nexus.provider import ProviderRequest
from nexus.providers.openai import OpenAIProvider, OpenAISettings
from nexus.settings.model import ModelSettings

AZURE = "https://house.openai.azure.com/openai/v1"
MODEL = ModelSettings()


def provider(**settings: Any) -> OpenAIProvider:
    return OpenAIProvider("p", OpenAISettings(type="openai", **{"api_key": "sk-x", **settings}))


@pytest.mark.parametrize(
    ("settings", "model", "dialects"),
    [
        ({}, "gpt-5.5", ("responses", "chat")),
        ({}, "o3", ("responses", "chat")),
        ({}, "gpt-7-sol", ("responses", "chat")),
        ({}, "gpt-4.1", ("chat", "responses")),
        ({}, "gpt-5-chat-latest", ("chat", "responses")),
        ({"responses": True}, "gpt-4.1", ("responses", "chat")),
        ({"responses": False}, "gpt-5.5", ("chat",)),
        ({"base_url": AZURE}, "gpt-5.5", ("chat",)),
        ({"base_url": AZURE, "responses": True}, "my-deployment", ("responses", "chat")),
    ],
)
def test_the_responses_api_is_used_where_the_model_needs_it(
    settings: dict[str, Any], model: str, dialects: tuple[str, ...]
) -> None:
    assert provider(**settings).dialects_of(model, MODEL) == dialects


@pytest.mark.parametrize("url", ["https://api.openai.com", "https://api.openai.com/", "https://api.openai.com/v1/"])
def test_openais_own_address_in_every_spelling(url: str) -> None:
    assert provider(base_url=url).base_url == "https://api.openai.com/v1"
    assert provider(base_url=url).dialects_of("gpt-5.5", MODEL) == ("responses", "chat")


def test_where_the_facts_about_models_apply() -> None:
    assert provider().target("chat", "gpt-5.5", MODEL).gpt == known("gpt-5.5")
    assert provider().target("chat", "something", MODEL).gpt == UNKNOWN
    assert provider(base_url=AZURE).target("chat", "gpt-5.5", MODEL).gpt is None
    assert provider(base_url=AZURE, responses=True).target("responses", "gpt-5.5", MODEL).gpt == known("gpt-5.5")
    assert provider(base_url=AZURE, responses=True).target("responses", "qwen3", MODEL).gpt is None


@pytest.mark.parametrize(
    ("settings", "document", "refused"),
    [
        ({}, {"tools": [{}], "reasoning_effort": "low"}, True),
        ({}, {"tools": [{}]}, False),
        ({}, {"reasoning_effort": "low"}, False),
        ({"responses": False}, {"tools": [{}], "reasoning_effort": "low"}, False),
        ({"base_url": AZURE}, {"tools": [{}], "reasoning_effort": "low"}, False),
        ({"base_url": AZURE, "responses": True}, {"tools": [{}], "reasoning_effort": "low"}, True),
    ],
)
def test_known_rejections_of_chat_completions(
    settings: dict[str, Any], document: dict[str, Any], refused: bool
) -> None:
    assert provider(**settings).refuses("chat", document, "gpt-5.5") == refused
    assert not provider(**settings).refuses("responses", document, "gpt-5.5")


def test_a_refusal_for_a_callers_own_key_does_not_affect_other_calls() -> None:
    ours = provider(forward_token=True)
    refusal = VendorFailure("No.", "invalid_request", 400, vendor_param="reasoning.summary")
    theirs = SecretStr("sk-theirs")
    provider_request = ProviderRequest(
        "responses", "generate", "gpt-5.5", MODEL, b"{}", False, {}, "", theirs, key_is_callers=True
    )
    without = ours.do_without(refusal, provider_request)
    target = ours.target("responses", "gpt-5.5", MODEL)
    assert without is not None and without.change(target) == replace(target, summary="off") != target

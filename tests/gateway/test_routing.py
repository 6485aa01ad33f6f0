"""From the model name in a request to a provider and the vendor's id, or to a helpful error.

A name is found in full, or as an alias that only one provider has; everything else is a 404 that lists candidates.
"""

import difflib
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from nexus.auth.identity import Identity, may_use
from nexus.errors import ModelNotFound
from nexus.gateway.routing import MOST_COMPARED, Routes
from nexus.models.names import anthropics_id
from nexus.provider import Provider, ProviderRequest
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.upstream.request import UpstreamRequest


class Vendor(Provider):
    """Routes only use a provider's name and models."""

    dialects = ("chat",)

    def prepare(self, provider_request: ProviderRequest) -> UpstreamRequest:
        raise NotImplementedError


def vendor(name: str, **models: str | None) -> Provider:
    """``models`` maps aliases to the vendor's ids; ``__`` stands for a slash and ``_`` for a dash."""
    spelled = {
        alias.replace("__", "/").replace("_", "-"): ModelSettings(rename=rename) for alias, rename in models.items()
    }
    return Vendor(name, ProviderSettings.model_validate({"type": "x", "api_key": "none", "models": spelled}))


ROUTES = Routes(
    [
        vendor("openai", gpt_4=None, gpt_4o_mini=None, smart="gpt-4-0613", shared=None),
        vendor("anthropic", claude_sonnet="claude-sonnet-4-5", shared="claude-haiku"),
        vendor("router", meta__llama_3=None, openai__gpt_4="openai/gpt-4-turbo", demo="z/y/x"),
        vendor("empty"),
    ]
)


@pytest.mark.parametrize(
    ("asked", "name", "model"),
    [
        pytest.param("openai/gpt-4", "openai/gpt-4", "gpt-4", id="in full"),
        pytest.param("openai/smart", "openai/smart", "gpt-4-0613", id="renamed"),
        pytest.param("smart", "openai/smart", "gpt-4-0613", id="a unique alias"),
        pytest.param("claude-sonnet", "anthropic/claude-sonnet", "claude-sonnet-4-5", id="a unique alias elsewhere"),
        pytest.param("router/meta/llama-3", "router/meta/llama-3", "meta/llama-3", id="an alias with a slash"),
        pytest.param("meta/llama-3", "router/meta/llama-3", "meta/llama-3", id="an alias with a slash, alone"),
        pytest.param("router/openai/gpt-4", "router/openai/gpt-4", "openai/gpt-4-turbo", id="another's name as alias"),
        pytest.param("anthropic/shared", "anthropic/shared", "claude-haiku", id="shared, in full"),
        pytest.param("router/demo", "router/demo", "z/y/x", id="a vendor's id with slashes"),
    ],
)
def test_a_model_is_found_by_its_full_name_or_a_unique_alias(asked: str, name: str, model: str) -> None:
    (route,) = ROUTES.find(asked).targets
    assert (route.name, route.model) == (name, model)
    assert str(route) == f"{route.provider.name}/{model}", "as in the reply header"


def test_a_full_name_takes_precedence_over_an_alias() -> None:
    """``openai/gpt-4`` is both a full name and an alias of ``router``."""
    assert ROUTES.find("openai/gpt-4").owner == "openai"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param(
            "shared", "model 'shared' is ambiguous; candidates: openai/shared, anthropic/shared", id="an alias of two"
        ),
        pytest.param(
            "openai/gpt-4o-mni",
            "model 'openai/gpt-4o-mni' does not exist; did you mean 'openai/gpt-4o-mini'?",
            id="a typo in the model",
        ),
        pytest.param(
            "gpt-4o-mni",
            "model 'gpt-4o-mni' does not exist; did you mean 'openai/gpt-4o-mini'?",
            id="a typo, without a provider",
        ),
        pytest.param(
            "opnai/smart",
            "provider 'opnai' (of model 'opnai/smart') does not exist; did you mean 'openai/smart'?",
            id="a typo in the provider",
        ),
        pytest.param(
            "nobody/claude-sonnet",
            "provider 'nobody' (of model 'nobody/claude-sonnet') does not exist; "
            "did you mean 'anthropic/claude-sonnet'?",
            id="the wrong provider",
        ),
        pytest.param(
            "openai/claude-sonnet",
            "model 'openai/claude-sonnet' does not exist; did you mean 'anthropic/claude-sonnet'?",
            id="of another provider",
        ),
        pytest.param(
            "ANTHROPIC/Claude-Sonnet",
            "provider 'ANTHROPIC' (of model 'ANTHROPIC/Claude-Sonnet') does not exist; "
            "did you mean 'anthropic/claude-sonnet'?",
            id="in capitals",
        ),
        pytest.param("son", "model 'son' does not exist; did you mean 'anthropic/claude-sonnet'?", id="a part"),
        pytest.param("gpt-4-0613", None, id="the vendor's id is not a name"),
        pytest.param("OpenAI/GPT-4", None, id="case counts"),
        pytest.param("empty/x", None, id="a provider without models"),
        pytest.param("openai/", None, id="no model"),
        pytest.param("/gpt-4", None, id="no provider"),
        pytest.param("/", None, id="a slash"),
        pytest.param(" ", None, id="a space"),
    ],
)
def test_an_unknown_or_ambiguous_name_gets_a_404_with_candidates(asked: str, message: str | None) -> None:
    with pytest.raises(ModelNotFound) as caught:
        ROUTES.find(asked)
    assert caught.value.status == 404
    assert caught.value.param == "model"
    if message is not None:
        assert caught.value.message == message
    else:
        assert caught.value.message.endswith("'?") or "; models here: openai/gpt-4, openai/" in caught.value.message


def test_a_long_name_gets_a_short_and_fast_answer() -> None:
    with pytest.raises(ModelNotFound) as caught:
        ROUTES.find("x" * 100_000 + "/" + "y" * 100_000)
    assert len(caught.value.message) < 600


def test_a_long_name_is_not_remembered() -> None:
    before = anthropics_id.cache_info().misses
    with pytest.raises(ModelNotFound):
        ROUTES.find("claude-" + "x" * 3000, any_id=True)
    assert anthropics_id.cache_info().misses == before


def test_an_unknown_name_is_compared_closely_with_few_of_many_models(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def alike(word: str, names: Sequence[str], most: int, likeness: float) -> list[str]:
        compared.extend(names)
        return difflib.get_close_matches(word, names, most, likeness)

    monkeypatch.setattr("nexus.gateway.routing.difflib", SimpleNamespace(get_close_matches=alike))
    routes = Routes([vendor("many", **{f"claude_sonnet_{number:04}": None for number in range(500)}, gpt_4o_mini=None)])
    with pytest.raises(ModelNotFound, match="did you mean 'many/gpt-4o-mini'"):
        routes.find("gpt-4o-mni")
    assert len(compared) <= MOST_COMPARED


def test_a_name_is_found_without_a_look_at_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway can have thousands of keys, each with models of its own."""
    looked: list[str] = []

    def looks(identity: Identity, model: str) -> bool:
        looked.append(model)
        return may_use(identity, model)

    def reads(id: str) -> tuple[str, str] | None:
        looked.append(id)
        return anthropics_id(id)

    routes = Routes([vendor("many", **{f"claude_opus_4_{number}": None for number in range(100)})])
    monkeypatch.setattr("nexus.gateway.routing.may_use", looks)
    monkeypatch.setattr("nexus.gateway.routing.anthropics_id", reads)
    caller = Identity("a", None, ("many/*",), "key", "a", "a", frozenset())
    for asked in ("many/claude-opus-4-7", "claude-opus-4-7", "us.anthropic.claude-opus-4-7-v1:0"):
        looked.clear()
        assert routes.seen_by(caller).find(asked, any_id=True).name == "many/claude-opus-4-7"
        assert len(looked) < 5


def test_without_models_there_is_no_hint() -> None:
    with pytest.raises(ModelNotFound, match=r"^model 'x' does not exist$"):
        Routes([]).find("x")


def test_routes_have_the_order_of_the_file() -> None:
    assert [route.name for route in ROUTES] == [
        "openai/gpt-4",
        "openai/gpt-4o-mini",
        "openai/smart",
        "openai/shared",
        "anthropic/claude-sonnet",
        "anthropic/shared",
        "router/meta/llama-3",
        "router/openai/gpt-4",
        "router/demo",
    ]

"""Facts about OpenAI's models: the row for each name, and how unsupported efforts are replaced."""

import pytest

from nexus.models.gpt import GPT, UNKNOWN, known, refused_on_chat

THREE, FOUR, FIVE = (
    ("low", "medium", "high"),
    ("low", "medium", "high", "xhigh"),
    ("low", "medium", "high", "xhigh", "max"),
)

EFFORTS = {
    "gpt-4.1": (),
    "gpt-4o-mini": (),
    "gpt-35-turbo": (),
    "gpt-5-chat-latest": (),
    "o3": THREE,
    "o4-mini": THREE,
    "o1-2024-12-17": THREE,
    "gpt-5": ("minimal", *THREE),
    "gpt-5-nano-2025-08-07": ("minimal", *THREE),
    "gpt-5-pro": ("high",),
    "gpt-5.1": ("none", *THREE),
    "gpt-5.2-pro": ("medium", "high", "xhigh"),
    "gpt-5.3-chat-latest": ("medium",),
    "gpt-5.2-2025-12-11": ("none", *FOUR),
    "gpt-5.2-codex": FOUR,
    "gpt-5.3": ("none", *FOUR),
    "gpt-5.3-codex": FOUR,
    "gpt-5.4-mini": ("none", *FOUR),
    "gpt-5.5": ("none", *FOUR),
    "ft:gpt-5.5:house::1": ("none", *FOUR),
    "gpt-5.6-sol": ("none", *FIVE),
    "gpt-6-sol": ("none", *FIVE),
    "gpt-6-luna": ("none", *FIVE),
    "gpt-6-astra": FIVE,
    "gpt-6.1-sol": FIVE,
    "gpt-6.2-sol": FIVE,
    "gpt-6.2-astra": FIVE,
    "gpt-6.1-terra": ("none", *FIVE),
    "gpt-7-sol": THREE,
    "us.openai.gpt-5.6-sol": ("none", *FIVE),
}


@pytest.mark.parametrize("model", EFFORTS)
def test_each_model_has_its_efforts(model: str) -> None:
    facts = known(model)
    assert facts is not None and facts.efforts == EFFORTS[model]


@pytest.mark.parametrize("model", ["claude-opus-5-5", "gpt-oss-120b", "qwen3", "my-gpt-5.5"])
def test_names_of_other_vendors_have_no_row(model: str) -> None:
    assert known(model) is None


@pytest.mark.parametrize("facts", [UNKNOWN, known("gpt-7"), known("gpt-6.3-sol"), known("gpt-6-cyber")])
def test_undocumented_models_stop_at_high(facts: GPT | None) -> None:
    assert facts is not None and set(facts.efforts) <= set(THREE)


TOOLS_ON_CHAT: dict[str, dict[str | None, bool]] = {
    "gpt-4.1": {None: False, "low": False},
    "gpt-5": {None: False, "low": False},
    "gpt-5.3": {None: False, "none": False, "high": False},
    "gpt-5.4": {None: False, "none": False, "low": True, "xhigh": True},
    "gpt-5.5": {None: False, "none": False, "low": True},
    "gpt-5.6-terra": {None: True, "none": False, "low": True},
    "gpt-6-sol": {None: True, "none": False, "low": True},
    "gpt-6-luna": {None: True, "none": False},
    "gpt-6-astra": {None: True, "none": True, "low": True},
    "gpt-6.1-sol": {None: True, "none": True},
    "gpt-6.2-sol": {None: True, "none": True},
    "gpt-5-pro": {None: True},
}


@pytest.mark.parametrize("model", TOOLS_ON_CHAT)
def test_what_chat_completions_reject(model: str) -> None:
    facts = known(model)
    assert facts is not None
    found = {effort: refused_on_chat(facts, tools=True, effort=effort) for effort in TOOLS_ON_CHAT[model]}
    assert found == TOOLS_ON_CHAT[model]
    assert refused_on_chat(facts, tools=False, effort="low") == (facts.chat == "never")


def test_which_models_accept_stop_and_sampling() -> None:
    takes = {name: facts.stop for name in EFFORTS if (facts := known(name)) is not None}
    assert not any(takes[name] for name in ("o3", "o4-mini", "gpt-5", "gpt-5.1", "gpt-5.3", "gpt-5.4-mini"))
    assert all(takes[name] for name in ("gpt-4.1", "gpt-5.5", "gpt-5.6-sol", "gpt-6-astra"))
    sampling = {name: facts.takes_sampling for name in EFFORTS if (facts := known(name)) is not None}
    assert not sampling["gpt-5"]("minimal") and not sampling["gpt-5.3-chat-latest"](None)
    assert all(sampling[name]("none") for name in ("gpt-5.1", "gpt-5.4-mini", "gpt-5.5", "gpt-6-sol"))
    assert sampling["gpt-5.1"](None) and sampling["gpt-5.4-mini"](None) and not sampling["gpt-5.4-mini"]("low")
    assert sampling["gpt-4.1"](None) and not sampling["gpt-5.5"](None)


VERBOSITY = {
    "gpt-5-nano": True,
    "gpt-5-pro": True,
    "gpt-5.1": True,
    "gpt-5.1-chat-latest": True,
    "gpt-5.2-pro": True,
    "gpt-5.3-codex": True,
    "gpt-5.6-sol": True,
    "gpt-5-chat-latest": False,
    "gpt-5-codex": False,
    "gpt-5.1-codex-max": False,
    "gpt-5.2-codex": False,
    "gpt-4o": False,
    "o3": False,
}


@pytest.mark.parametrize("model", VERBOSITY)
def test_which_models_accept_verbosity(model: str) -> None:
    facts = known(model)
    assert facts is not None and facts.verbosity is VERBOSITY[model]

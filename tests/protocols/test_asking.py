"""Values without an effect are never reported as dropped, from any client dialect to any vendor."""

from typing import Any

import pytest

from nexus.models import bedrock, claude, gemini, gpt
from nexus.protocols import loader
from nexus.protocols.checks import asks_for
from nexus.protocols.codec import Target
from tests.protocols.sent import PLAIN

NOTHING: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [{"role": "user", "content": "Hi"}],
        "store": False,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "metadata": {},
        "n": 1,
        "tools": [{"type": "function", "unknown": None, "function": {"name": "f", "unknown": False}}],
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "verbosity": "medium",
        "unknown_list": [],
        "unknown_switch": False,
    },
    "responses": {
        "input": "Hi",
        "store": False,
        "truncation": "disabled",
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "metadata": {},
        "reasoning": {},
        "include": [],
        "background": False,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": None,
        "previous_response_id": None,
        "conversation": None,
    },
    "messages": {
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hi"}],
        "metadata": {},
        "stop_sequences": [],
        "unknown_table": {},
        "unknown_switch": False,
    },
}

TARGETS: dict[str, Target] = {
    "chat": Target("local"),
    "responses": Target("gpt-5.5", gpt=gpt.known("gpt-5.5")),
    "o3": Target("o3", chat=gpt.on_chat(gpt.known("o3") or gpt.UNKNOWN), gpt=gpt.known("o3")),
    "messages": Target("claude-sonnet-4-5", claude=claude.profile("claude-sonnet-4-5")),
    "gemini": Target("gemini-3-pro-preview", gemini=gemini.profile("gemini-3-pro-preview")),
    "converse": Target("us.amazon.nova-pro-v1:0", converse=bedrock.profile("us.amazon.nova-pro-v1:0")),
}


@pytest.mark.parametrize("vendor", TARGETS)
@pytest.mark.parametrize("client", NOTHING)
def test_values_without_effect_are_not_reported_as_dropped(client: str, vendor: str) -> None:
    read = loader.client(client).read(NOTHING[client], None, compacts=False)
    written = loader.vendor("chat" if vendor == "o3" else vendor).write_request(read.request, TARGETS[vendor])
    assert (read.dropped, written.dropped) == ((), ())


STOPS: dict[str, dict[str, Any]] = {
    "chat": {"stop": ["", "END"]},
    "messages": {"stop_sequences": ["", "END"]},
    "converse": {"inferenceConfig": {"stopSequences": ["", "END"]}},
    "gemini": {"generationConfig": {"stopSequences": ["", "END"]}},
}


@pytest.mark.parametrize("client", STOPS)
def test_empty_stop_sequences_are_left_out(client: str) -> None:
    read = loader.client(client).read({**PLAIN[client], **STOPS[client]})
    assert (read.request.stop, read.dropped) == (("END",), ())


def test_an_empty_stop_is_none() -> None:
    assert loader.client("chat").read({**PLAIN["chat"], "stop": ""}).request.stop == ()


VALUES: dict[str, tuple[str, Any, bool]] = {
    "null": ("seed", None, False),
    "off": ("store", False, False),
    "on": ("store", True, True),
    "no penalty": ("presence_penalty", 0, False),
    "a penalty": ("presence_penalty", 0.5, True),
    "temperature zero": ("temperature", 0, True),
    "a seed": ("seed", 0, True),
    "one answer": ("n", 1, False),
    "the default verbosity": ("verbosity", "medium", False),
    "truncation disabled": ("truncation", "disabled", False),
    "an empty list": ("tools", [], False),
    "a search, which has an effect by its presence": ("web_search_options", {}, True),
}


@pytest.mark.parametrize(("name", "value", "asks"), VALUES.values(), ids=VALUES)
def test_which_values_have_an_effect(name: str, value: Any, asks: bool) -> None:
    assert asks_for(name, value) is asks

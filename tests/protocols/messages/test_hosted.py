"""What Claude hosts other than Anthropic receive of the newest Claude Code's requests, and what is lost."""

import json
from typing import Any

import pytest

from nexus.protocols.messages.hosted import (
    DISPLAY_BETA,
    PER_TURN_BETA,
    SYSTEM_BETA,
    TOOL_CHANGES_BETA,
    Extra,
    fit_host,
    systems_as_users,
)
from nexus.protocols.messages.read_request import read_request

HI = {"role": "user", "content": "hi"}
REMOVAL = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Read"}}
ADDITION = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Read"}, "cache_control": {"type": "x"}}
SCHEMA = {"type": "object", "properties": {"clear_at": {"type": "string", "brand_new": 1}}}
BRIEF = {"role": "system", "content": "brief"}
LATER = BRIEF | {"output_config": {"effort": "low"}}
GONE = "The tool Read is not available from here on."
HERE = "The tool Read is available from here on."

FITTED: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "updates become summaries": (
        {"thinking": {"type": "adaptive", "display": "updates"}},
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        ("thinking.display",),
    ),
    "other displays are kept": (
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        (),
    ),
    "the effort of a turn overrides the request's": (
        {"output_config": {"effort": "high"}, "messages": [HI, {**BRIEF, "output_config": {"effort": "low"}}]},
        {"output_config": {"effort": "low"}, "messages": [HI, BRIEF]},
        ("messages.output_config",),
    ),
    "an expired message is removed": (
        {"messages": [HI, {**BRIEF, "clear_at": "next_user_message"}, HI]},
        {"messages": [HI, HI]},
        ("messages.clear_at",),
    ),
    "an unexpired message is kept": (
        {"messages": [HI, {**BRIEF, "clear_at": "next_user_message"}]},
        {"messages": [HI, BRIEF]},
        ("messages.clear_at",),
    ),
    "tools are added and removed": (
        {"messages": [HI, {"role": "system", "content": [REMOVAL, ADDITION]}]},
        {
            "messages": [
                HI,
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": GONE},
                        {"type": "text", "text": HERE, "cache_control": {"type": "x"}},
                    ],
                },
            ]
        },
        ("messages.content.tool_removal", "messages.content.tool_addition"),
    ),
    "empty messages are removed": (
        {"messages": [HI, {"role": "user"}, {"role": "system", "output_config": {"effort": "low"}}]},
        {"messages": [HI], "output_config": {"effort": "low"}},
        ("messages.output_config", "messages.content=none"),
    ),
    "an effort of one turn": (
        {"messages": [HI, LATER], "output_config": {"effort": "high", "format": SCHEMA}},
        {"messages": [HI, BRIEF], "output_config": {"effort": "low", "format": SCHEMA}},
        ("messages.output_config",),
    ),
    "an effort of one turn without a request effort": (
        {"messages": [HI, LATER], "output_config": {"format": SCHEMA}},
        {"messages": [HI, BRIEF], "output_config": {"effort": "low", "format": SCHEMA}},
        ("messages.output_config",),
    ),
    "an effort of one turn and nothing else": (
        {"messages": [HI, LATER], "output_config": {}},
        {"messages": [HI, BRIEF], "output_config": {"effort": "low"}},
        ("messages.output_config",),
    ),
    "new fields": (
        {"a\nb": 1, "new": {"x": 1}, "tools": [{"name": "a", "new": 1}], "tool_choice": {"type": "auto", "x": 1}},
        {"tools": [{"name": "a"}], "tool_choice": {"type": "auto"}},
        ("?", "new", "tool_choice.x", "tools.new"),
    ),
    "schemas and content are not changed": (
        {"tools": [{"name": "a", "input_schema": SCHEMA}], "messages": [{"role": "user", "content": [{"new": 1}]}]},
        {"tools": [{"name": "a", "input_schema": SCHEMA}], "messages": [{"role": "user", "content": [{"new": 1}]}]},
        (),
    ),
}


@pytest.mark.parametrize(("given", "left", "named"), FITTED.values(), ids=FITTED)
def test_fields_that_the_host_does_not_know_are_removed_and_reported(
    given: Any, left: Any, named: tuple[str, ...]
) -> None:
    body, dropped = fit_host(json.dumps({"model": "m", **given}).encode(), Extra())
    assert json.loads(body) == {"model": "m", **left}
    assert dropped == named


TAGS = "<system>\n{}\n</system>".format
WORDS = {"type": "text", "text": "hi"}
CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "system", "n": 1.50}]}
HINT: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


def told(words: str = "brief", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": TAGS(words), **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


SYSTEMS: dict[str, tuple[list[Any], list[Any]]] = {
    "the last message": ([HI, BRIEF], [user(WORDS, told())]),
    "the first message": ([BRIEF, HI], [user(told(), WORDS)]),
    "alone": ([BRIEF], [user(told())]),
    "two system messages": ([HI, BRIEF, BRIEF], [user(WORDS, told(), told())]),
    "between assistant turns": ([HI, CALLED, BRIEF, CALLED], [HI, CALLED, user(told()), CALLED]),
    "after results": ([HI, CALLED, user(RESULT), BRIEF], [HI, CALLED, user(RESULT, told())]),
    "before results, which follow their calls": (
        [HI, CALLED, BRIEF, user(RESULT, WORDS)],
        [HI, CALLED, user(RESULT, told(), WORDS)],
    ),
    "blocks keep their other fields": (
        [HI, {"role": "system", "content": [{"type": "text", "text": "brief", **HINT}]}],
        [user(WORDS, told(**HINT))],
    ),
    "no text": ([HI, {"role": "system", "content": ""}], [user(WORDS)]),
    "none": ([HI, CALLED, user(RESULT)], [HI, CALLED, user(RESULT)]),
}


@pytest.mark.parametrize("case", SYSTEMS)
def test_system_messages_become_marked_text_in_the_users_turn(case: str) -> None:
    given, left = SYSTEMS[case]
    raw = json.dumps({"model": "m", "messages": given}).encode()
    body, dropped = fit_host(raw, Extra(), takes_systems=False)
    assert json.loads(body)["messages"] == left
    assert dropped == (() if case == "none" else ("messages.role",))
    assert fit_host(raw, Extra(), takes_systems=True) == (raw, ())
    assert fit_host(raw, Extra(betas=frozenset({f"{SYSTEM_BETA}2026-04-07"})), takes_systems=False) == (raw, ())


def test_changes_of_tools_become_words_when_system_messages_move() -> None:
    raw = json.dumps({"messages": [HI, {"role": "system", "content": [ADDITION]}]}).encode()
    moved = [user(WORDS, told(HERE, cache_control=ADDITION["cache_control"]))]
    assert json.loads(systems_as_users(raw).body)["messages"] == moved


def test_other_bytes_stay_unchanged_when_system_messages_move() -> None:
    """Including those of the turn that system messages move into: numbers and escapes keep their spelling."""
    block = b'{ "type":"tool_result", "tool_use_id":"a","content":[{"text":"\\u00e4","n":1.50}] }'
    raw = b'{"messages":[{"role":"user","content":[%b]},{"role":"system","content":"brief"}]}' % block
    body, _ = fit_host(raw, Extra(), takes_systems=False)
    assert block in body


def test_settings_add_betas_and_fields() -> None:
    given = {
        "model": "m",
        "new": 1,
        "thinking": {"type": "adaptive", "display": "updates"},
        "messages": [HI, {"role": "system", "content": [REMOVAL], "output_config": {"effort": "low"}}],
    }
    extra = Extra(frozenset({DISPLAY_BETA, PER_TURN_BETA, TOOL_CHANGES_BETA}), frozenset({"new"}))
    raw = json.dumps(given).encode()
    assert fit_host(raw, extra) == (raw, ())


def test_the_newest_fields_are_read_for_other_vendors() -> None:
    messages = [
        HI,
        {"role": "system", "content": "gone", "clear_at": "next_user_message"},
        {"role": "user"},
        HI,
        {"role": "system", "content": [REMOVAL], "output_config": {"effort": "low"}},
    ]
    thinking = {"type": "adaptive", "display": "updates"}
    given = {"max_tokens": 9, "messages": messages, "thinking": thinking, "output_config": {"effort": "high"}}
    read = read_request({"model": "m", **given})
    assert [message.role for message in read.request.messages] == ["user", "user", "system"]
    assert [getattr(part, "text", "") for part in read.request.messages[-1].parts] == [GONE]
    assert read.request.thinking is not None and read.request.thinking.effort == "low"
    assert {"messages.content.tool_removal", "messages.output_config"} <= set(read.dropped)

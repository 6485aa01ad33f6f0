"""Everything besides the messages: tools, formats, thinking and every single field; checked against Google's types."""

from dataclasses import replace
from typing import Any

import pytest

from nexus.conversation.parts import (
    Image,
    Inline,
    OutputFormat,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.codec import Cut, Target
from nexus.protocols.gemini.write_request import write_count

from .kit import assistant, target, user, write

PNG = Inline("image/png", "aGVsbG8=")
OLD, NEW, VERTEX = target("gemini-2.5-flash"), target("gemini-3.8-flash"), target("gemini-3.8-flash", vertex=True)
HI = user("hi")


def text(*words: str) -> list[dict[str, str]]:
    return [{"text": word} for word in words]


# Tools

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["string", "null"]}},
    "$defs": {"A": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/A"}]}},
    "additionalProperties": False,
}


def test_schemas_are_passed_unchanged() -> None:
    tools = (Tool("f", "does", SCHEMA, strict=True), Tool("g"), Tool("h", parameters={}))
    written = write(Request((HI,), tools=tools))
    assert written.body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": SCHEMA},
                {"name": "g"},
                {"name": "h"},
            ]
        }
    ]
    assert "toolConfig" not in written.body
    assert written.dropped == ("tools.strict",)


@pytest.mark.parametrize(
    ("tools", "param"), [((Tool("f"), Tool("f")), "tools.1.name"), ((Tool("f", parameters=[1]),), "tools.0.parameters")]
)
def test_invalid_tools_are_rejected(tools: tuple[Tool, ...], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(Request((HI,), tools=tools))
    assert caught.value.param == param


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_a_tool_choice_without_tools_is_omitted(mode: Any) -> None:
    assert write(Request((HI,), tool_choice=ToolChoice(mode))).body.keys() == {"contents"}


# Structured output


def test_a_schema_is_written() -> None:
    output = OutputFormat({"type": "object"}, name="n", description="d", strict=True)
    body = write(Request((HI,), output_format=output)).body
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "d", "type": "object"},
    }


def test_json_mode_is_written() -> None:
    body = write(Request((HI,), output_format=OutputFormat())).body
    assert body["generationConfig"] == {"responseMimeType": "application/json"}


def test_a_schema_is_converted_for_an_old_server() -> None:
    output = OutputFormat({"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}})
    written = write(Request((HI,), output_format=output), target("gemini-2.0-flash"))
    assert written.body["generationConfig"]["responseSchema"] == {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING"}},
    }
    assert written.dropped == ("output_format.schema.properties.a.format",)


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("tool", "f")])
@pytest.mark.parametrize("model", [OLD, NEW])
def test_a_forced_call_drops_the_output_format(model: Target, choice: ToolChoice) -> None:
    written = write(Request((HI,), tools=(Tool("f"),), output_format=OutputFormat(), tool_choice=choice), model)
    assert (written.answer_tool, written.dropped) == (None, ("output_format",))
    assert "generationConfig" not in written.body


def test_tools_that_must_not_be_called_are_removed_for_the_output_format() -> None:
    request = Request((HI,), tools=(Tool("f"),), output_format=OutputFormat(), tool_choice=ToolChoice("none"))
    written = write(request, OLD)
    assert written.body.keys() == {"contents", "generationConfig"} and written.dropped == ()


def test_a_format_that_cannot_be_a_tool_is_rejected() -> None:
    request = Request((HI,), tools=(Tool("f"),), output_format=OutputFormat({"type": "array"}))
    with pytest.raises(UnsupportedFeature) as caught:
        write(request, OLD)
    assert caught.value.param == "output_format.schema"
    merged = replace(request, output_format=OutputFormat({"anyOf": [SCHEMA, {"type": "object"}]}))
    assert write(merged, OLD).dropped == ("output_format.schema.anyOf",)


# Thinking

PRO3, HYDROGEN, LITE = target("gemini-3-pro-preview"), target("gemini-4-hydrogen"), target("gemini-2.5-flash-lite")
FLASH3, PRO25 = target("gemini-3-flash-preview"), target("gemini-2.5-pro")
ON = {"includeThoughts": True}

THINKING: dict[str, tuple[Thinking, Any, dict[str, Any] | None, tuple[str, ...]]] = {
    "level": (Thinking(True, effort="medium"), NEW, ON | {"thinkingLevel": "MEDIUM"}, ()),
    "level hidden": (
        Thinking(True, effort="low", visible=False),
        NEW,
        {"includeThoughts": False, "thinkingLevel": "LOW"},
        (),
    ),
    "level adaptive": (Thinking(True), NEW, ON, ()),
    "level off": (Thinking(False), FLASH3, {"thinkingLevel": "MINIMAL"}, ("thinking",)),
    "level never off": (Thinking(False), NEW, {"thinkingLevel": "LOW"}, ("thinking",)),
    "level minimal": (Thinking(True, effort="minimal"), FLASH3, ON | {"thinkingLevel": "MINIMAL"}, ()),
    "level minimal lacking": (
        Thinking(True, effort="minimal"),
        NEW,
        ON | {"thinkingLevel": "LOW"},
        ("thinking.effort",),
    ),
    "level medium lacking": (
        Thinking(True, effort="medium"),
        PRO3,
        ON | {"thinkingLevel": "HIGH"},
        ("thinking.effort",),
    ),
    "level xhigh": (Thinking(True, effort="max"), HYDROGEN, ON | {"thinkingLevel": "XHIGH"}, ()),
    "level xhigh lacking": (Thinking(True, effort="xhigh"), NEW, ON | {"thinkingLevel": "HIGH"}, ("thinking.effort",)),
    "level from budget": (Thinking(True, budget=1024), NEW, ON | {"thinkingLevel": "LOW"}, ()),
    "level from more budget": (Thinking(True, budget=8000), NEW, ON | {"thinkingLevel": "MEDIUM"}, ()),
    "level from much budget": (Thinking(True, budget=31999), NEW, ON | {"thinkingLevel": "HIGH"}, ()),
    "effort before budget": (Thinking(True, budget=1, effort="high"), NEW, ON | {"thinkingLevel": "HIGH"}, ()),
    "budget": (Thinking(True, budget=2000), OLD, ON | {"thinkingBudget": 2000}, ()),
    "budget beyond": (Thinking(True, budget=31999), OLD, ON | {"thinkingBudget": 24576}, ("thinking.budget",)),
    "budget below": (Thinking(True, budget=100), PRO25, ON | {"thinkingBudget": 128}, ("thinking.budget",)),
    "budget from effort": (Thinking(True, effort="medium"), OLD, ON | {"thinkingBudget": 8192}, ()),
    "budget from max": (Thinking(True, effort="max"), PRO25, ON | {"thinkingBudget": 32768}, ()),
    "budget adaptive": (Thinking(True), OLD, ON | {"thinkingBudget": -1}, ()),
    "budget off": (Thinking(False), LITE, {"thinkingBudget": 0}, ()),
    "budget never off": (Thinking(False), PRO25, {"thinkingBudget": 128}, ("thinking",)),
    "cannot think": (Thinking(True, effort="high"), target("gemini-2.0-flash"), None, ("thinking",)),
    "cannot think anyway": (Thinking(False), target("gemini-2.0-flash"), None, ()),
}


@pytest.mark.parametrize("case", sorted(THINKING))
def test_thinking_is_written(case: str) -> None:
    thinking, to, config, dropped = THINKING[case]
    written = write(Request((HI,), thinking=thinking), to)
    assert written.body.get("generationConfig", {}).get("thinkingConfig") == config
    assert written.dropped == dropped


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"temperature": 0.0, "top_p": 1.0, "top_k": 1}, ("temperature", "top_p", "top_k")),
        ({"presence_penalty": 0.0, "frequency_penalty": 1.0}, ("frequency_penalty",)),
        ({"seed": 2**31}, ("seed",)),
        ({"service_tier": "scale"}, ("service_tier",)),
        ({"service_tier": "auto"}, ()),
        ({"parallel_tools": True, "tools": (Tool("f", cache="5m"),)}, ("cache_control",)),
        ({"system": (Text("s", cache="1h"),)}, ("cache_control",)),
        ({"messages": (user(Text("a", cache="5m"), Image(PNG, cache="5m")),)}, ("cache_control",)),
    ],
)
def test_fields_that_new_models_reject_are_dropped(fields: dict[str, Any], dropped: tuple[str, ...]) -> None:
    written = write(Request(**({"messages": (HI,)} | fields)), NEW)
    assert written.dropped == dropped
    assert written.body.keys() <= {"contents", "tools", "systemInstruction"}


def test_cache_hints_inside_tool_results_are_dropped() -> None:
    messages = (HI, assistant(ToolCall("c1", "f", "")), user(ToolResult("c1", (Text("x", cache="5m"),))))
    assert write(Request(messages)).dropped == ("cache_control",)


def test_image_output_is_dropped_for_models_without_it() -> None:
    written = write(Request((HI,), image_output=True))
    assert written.dropped == ("image_output",) and "generationConfig" not in written.body


def test_the_answer_is_cut_at_the_stop_sequences_after_the_fifth() -> None:
    written = write(Request((HI,), stop=tuple("abcdef")))
    assert (written.body["generationConfig"], written.cut) == ({"stopSequences": list("abcde")}, Cut(("f",)))


# Models and counting


def test_a_token_count_request_is_written() -> None:
    request = Request((HI,), system=(Text("s"),), tools=(Tool("f"),), tool_choice=ToolChoice("auto"), max_tokens=5)
    body = write(request).body
    assert write_count(request, NEW) == {"generateContentRequest": {"model": "models/gemini-3.8-flash", **body}}
    assert write_count(request, VERTEX) == {key: body[key] for key in body if key != "toolConfig"}

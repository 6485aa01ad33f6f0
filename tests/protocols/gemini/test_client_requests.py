"""Gemini API requests, case by case: read, rejected with a path, or passed through."""

from typing import Any

import pytest

from nexus.conversation.parts import (
    Audio,
    Document,
    Inline,
    Link,
    OutputFormat,
    Reasoning,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from nexus.errors import InvalidRequest
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target
from nexus.protocols.gemini.codec import CLIENT
from nexus.protocols.gemini.openapi_schema import write_openapi_schema
from nexus.protocols.gemini.passthrough import edit_request
from nexus.protocols.gemini.read_schema import read_schema
from nexus.protocols.gemini.signatures import write_signature
from nexus.protocols.json_schema.refs import Copies
from nexus.wire import decode, encode
from tests.laws.kit import TARGETS
from tests.laws.rich import RICH

Wire = dict[str, Any]


READ = {"type": "object", "properties": {"a": {"type": "integer", "enum": [1]}, "b_b": {"type": ["string", "null"]}}}


class TestRequests:
    def test_every_field_is_read_in_either_spelling(self) -> None:
        read = CLIENT.read_request({**RICH["gemini"], "model": "m", "stream": True})
        request = read.request
        assert read.dropped == ()
        first, second, third = request.messages
        assert (first.role, first.parts) == ("user", (Text("a"),))
        assert second.parts == (Reasoning("t", Signature("gemini", "QUJD")), ToolCall("1", "f", '{"a_b":1}'))
        link = Document(Link("https://example.com/a.pdf"))
        assert third.parts == (ToolResult("1", (Text("no"),), is_error=True), Audio(Inline("audio/mp3", "AAAA")), link)
        assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (5, 0.5, 0.5, 3)
        assert (request.seed, request.stop, request.logprobs, request.top_logprobs) == (7, ("X",), True, 2)
        assert (request.presence_penalty, request.frequency_penalty, request.image_output) == (0.1, 0.2, True)
        assert (request.thinking, request.output_format) == (Thinking(True, effort="high"), OutputFormat(READ))
        assert [(tool.name, tool.parameters) for tool in request.tools] == [("f", READ), ("g", None)]
        assert list(request.tools[0].parameters["properties"]) == ["a", "b_b"], (
            "models answer in the order of the properties"
        )
        assert (request.tool_choice, request.system) == (ToolChoice("tool", "f"), (Text("s"),))
        assert (request.metadata, request.service_tier, request.stream) == ({"a_b": "c"}, "default", True)


def call(name: str, id: str | None = None) -> Wire:
    return {"functionCall": {"name": name, **({} if id is None else {"id": id})}}


def result(name: str, id: str | None = None) -> Wire:
    return {"functionResponse": {"name": name, "response": {}, **({} if id is None else {"id": id})}}


PAIRS: dict[str, tuple[list[Wire], list[Wire], list[int]]] = {
    "by id, in another order": ([call("f", "a"), call("f", "b")], [result("f", "b"), result("f", "a")], [1, 0]),
    "by name in their order": ([call("f"), call("g"), call("f")], [result("f"), result("f"), result("g")], [0, 2, 1]),
    "ids in the responses alone": ([call("f"), call("g")], [result("g", "x"), result("f", "y")], [1, 0]),
    "ids in the calls alone": ([call("f", "a"), call("f", "b")], [result("f"), result("f")], [0, 1]),
}


@pytest.mark.parametrize(("calls", "results", "order"), PAIRS.values(), ids=PAIRS)
def test_function_responses_are_matched_to_their_calls(
    calls: list[Wire], results: list[Wire], order: list[int]
) -> None:
    """Twice in one conversation: an answered call is not answered again."""
    turns = [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]
    messages = CLIENT.read_request({"contents": [{"parts": [{"text": "hi"}]}, *turns, *turns]}).request.messages
    for asked, answered in (messages[1:3], messages[3:5]):
        ids = [part.id for part in asked.parts if isinstance(part, ToolCall)]
        assert [part.call_id for part in answered.parts if isinstance(part, ToolResult)] == [ids[at] for at in order]
        assert len(set(ids)) == len(ids)


OUTPUTS: dict[str, tuple[Any, str, bool]] = {
    "output": ({"output": "words"}, "words", False),
    "an object as output": ({"output": {"a": 1}}, '{"a":1}', False),
    "error": ({"error": "no"}, "no", True),
    "anything else is the output": ({"result": "x"}, '{"result":"x"}', False),
    "both": ({"output": "a", "error": "b"}, '{"output":"a","error":"b"}', False),
    "nothing": ({}, "", False),
}


RAN: dict[str, tuple[Wire, Wire, str, str, tuple[str, bool]]] = {
    "code": (
        {"executable_code": {"language": "PYTHON", "code": "print(1)"}},
        {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "1"}},
        "code_execution",
        '{"code":"print(1)"}',
        ("1", False),
    ),
    "code that failed": (
        {"executableCode": {"id": "a", "code": "1/0"}, "thoughtSignature": "QUJD"},
        {"codeExecutionResult": {"id": "a", "outcome": "OUTCOME_DEADLINE_EXCEEDED"}},
        "code_execution",
        '{"code":"1/0"}',
        ("OUTCOME_DEADLINE_EXCEEDED", True),
    ),
    "search": (
        {"toolCall": {"id": "s", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": ["x"]}}},
        {"toolResponse": {"id": "s", "toolType": "GOOGLE_SEARCH_WEB", "response": {"r": 1}}},
        "google_search_web",
        '{"q":["x"]}',
        ('{"r":1}', False),
    ),
}


@pytest.mark.parametrize(("asked", "answered", "name", "arguments", "answer"), RAN.values(), ids=RAN)
def test_what_google_ran_becomes_a_call_and_its_result(
    asked: Wire, answered: Wire, name: str, arguments: str, answer: tuple[str, bool]
) -> None:
    turn = {"role": "model", "parts": [{"text": "Let me see."}, asked, answered, {"text": "Done."}]}
    read = CLIENT.read_request({"contents": [{"parts": [{"text": "hi"}]}, turn, {"parts": [{"text": "And?"}]}]})
    _, before, between, after, _ = read.request.messages
    said, made = before.parts
    (found,) = between.parts
    assert isinstance(made, ToolCall)
    assert isinstance(found, ToolResult)
    assert (said, made.name, made.arguments, found.call_id) == (Text("Let me see."), name, arguments, made.id)
    assert ("".join(part.text for part in found.parts if isinstance(part, Text)), found.is_error) == answer
    assert [message.role for message in (before, between, after)] == ["assistant", "user", "assistant"]
    assert len(read.dropped) == 2


@pytest.mark.parametrize(("response", "words", "failed"), OUTPUTS.values(), ids=OUTPUTS)
def test_function_output_is_read_with_its_failure(response: Any, words: str, failed: bool) -> None:
    wire = {"functionResponse": {"name": "f", "response": response}}
    turns = [{"role": "model", "parts": [call("f")]}, {"role": "user", "parts": [wire]}]
    (found,) = CLIENT.read_request({"contents": turns}).request.messages[1].parts
    assert isinstance(found, ToolResult)
    assert ("".join(part.text for part in found.parts if isinstance(part, Text)), found.is_error) == (words, failed)


THOUGHTS: dict[str, tuple[Wire, Thinking | None]] = {
    "off": ({"thinkingBudget": 0, "includeThoughts": True}, Thinking(False)),
    "dynamic": ({"thinkingBudget": -1}, Thinking(True, visible=False)),
    "a budget": ({"thinkingBudget": 2048, "includeThoughts": True}, Thinking(True, budget=2048)),
    "a level": ({"thinkingLevel": "low"}, Thinking(True, effort="low", visible=False)),
    "thoughts alone": ({"includeThoughts": True}, Thinking(True)),
    "nothing": ({"includeThoughts": False}, None),
}


@pytest.mark.parametrize(("config", "thinking"), THOUGHTS.values(), ids=THOUGHTS)
def test_thinking_config_is_read(config: Wire, thinking: Thinking | None) -> None:
    body = {"contents": [], "generationConfig": {"thinkingConfig": config}}
    assert CLIENT.read_request(body).request.thinking == thinking


@pytest.mark.parametrize(
    ("config", "param"),
    [
        ({"thinkingBudget": 800, "thinkingLevel": "LOW"}, ""),
        ({"thinkingBudget": 0, "thinkingLevel": "LOW"}, ""),
        ({"thinkingBudget": -2}, ".thinkingBudget"),
        ({"thinkingLevel": "HUGE"}, ".thinkingLevel"),
    ],
)
def test_a_thinking_config_that_google_rejects_is_rejected(config: Wire, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.read_request({"contents": [], "generationConfig": {"thinkingConfig": config}})
    assert caught.value.param == f"generationConfig.thinkingConfig{param}"


CHOICES: dict[str, tuple[Wire, str | None, list[str], tuple[str, ...]]] = {
    "auto": ({"mode": "AUTO"}, "auto", ["f", "g", "h"], ()),
    "none": ({"mode": "NONE"}, "none", ["f", "g", "h"], ()),
    "any": ({"mode": "ANY"}, "required", ["f", "g", "h"], ()),
    "either of two": ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, "required", ["f", "g"], ()),
    "validated": ({"mode": "VALIDATED"}, "auto", ["f", "g", "h"], ("toolConfig.functionCallingConfig.mode",)),
    "unspecified": ({}, None, ["f", "g", "h"], ()),
}


@pytest.mark.parametrize(("config", "mode", "names", "dropped"), CHOICES.values(), ids=CHOICES)
def test_a_tool_choice_is_read(config: Wire, mode: str | None, names: list[str], dropped: tuple[str, ...]) -> None:
    tools = [{"functionDeclarations": [{"name": name} for name in "fgh"]}]
    read = CLIENT.read_request({"contents": [], "tools": tools, "toolConfig": {"functionCallingConfig": config}})
    choice = read.request.tool_choice
    assert (choice and choice.mode, [tool.name for tool in read.request.tools]) == (mode, names)
    assert read.dropped == dropped


def test_google_search_is_read_as_a_web_search_with_its_losses() -> None:
    (tool,) = CLIENT.read_request(
        {"contents": [], "tools": [{"googleSearch": {"excludeDomains": ["x"]}}]}
    ).request.tools
    assert isinstance(tool, WebSearch) and tool.lost == ("tools.googleSearch.excludeDomains",)


SCHEMAS: dict[str, Any] = {
    "plain": {"type": "object", "properties": {"a": {"type": "string", "description": "d"}}, "required": ["a"]},
    "nullable": {"type": ["integer", "null"]},
    "list": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    "numbers": {"type": "integer", "enum": [1, 2]},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_converted_for_google_is_read_back_unchanged(schema: Any) -> None:
    assert read_schema(write_openapi_schema(schema, "x", Drops(), Copies()), "x") == schema


GOOGLES: dict[str, tuple[Wire, Wire]] = {
    "an example": ({"type": "STRING", "example": "a"}, {"type": "string", "examples": ["a"]}),
    "a count as Google's SDKs write it": ({"type": "ARRAY", "minItems": "1"}, {"type": "array", "minItems": 1}),
    "no type": ({"type": "TYPE_UNSPECIFIED"}, {}),
    "null among values": ({"enum": ["a"], "nullable": True}, {"enum": ["a", None]}),
    "null among alternatives": (
        {"anyOf": [{"type": "STRING"}], "nullable": True},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
    ),
}


@pytest.mark.parametrize(("given", "schema"), GOOGLES.values(), ids=GOOGLES)
def test_what_only_googles_schemas_have_is_read(given: Wire, schema: Wire) -> None:
    assert read_schema(given, "x") == schema


OWN: Wire = {"text": "t", "thought": True, "thoughtSignature": "QUJD"}
TAGGED = write_signature(Signature("messages", "abc"))
FOREIGN: dict[str, tuple[Wire, Wire | None, Wire | None]] = {
    "thinking": ({"text": "t", "thought": True, "thoughtSignature": TAGGED}, None, None),
    "redacted": (
        {"text": "", "thoughtSignature": write_signature(Signature("messages", "x"), redacted=True)},
        None,
        None,
    ),
    "a text's": ({"text": "b", "thought_signature": TAGGED}, {"text": "b"}, {"text": "b"}),
    "a call's": (
        {**call("f"), "thoughtSignature": TAGGED},
        call("f"),
        {**call("f"), "thoughtSignature": "skip_thought_signature_validator"},
    ),
    "its own": (OWN, OWN, OWN),
}


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize(("part", "older", "newer"), FOREIGN.values(), ids=FOREIGN)
def test_passthrough_removes_signatures_of_other_vendors(
    part: Wire, older: Wire | None, newer: Wire | None, generation: int
) -> None:
    target = next(one for one in TARGETS["gemini"] if one.model.startswith(f"gemini-{generation}"))
    kept = newer if target.gemini.thought_signatures else older
    said = {"role": "model", "parts": [OWN, part, {"text": "a"}]}
    edited = edit_request(encode({"contents": [said], "x": 1}), {}, target)
    parts = [OWN, *([] if kept is None else [kept]), {"text": "a"}]
    assert decode(edited.body) == {"contents": [{**said, "parts": parts}], "x": 1}
    assert edited.dropped == (() if part == OWN else ("contents.parts.thoughtSignature",))


def test_passthrough_leaves_googles_own_content_unchanged_and_renames_the_model() -> None:
    raw = b'{ "contents":[{"role":"model","parts":[ {"text":"t","thoughtSignature":"QUJD"} ]}], "model" : "models/v/m"}'
    assert edit_request(raw, decode(raw), Target("m")).body == raw.replace(b"v/m", b"m")
    assert edit_request(raw, decode(raw), Target("tunedModels/m")).body == raw.replace(b"models/v/m", b"tunedModels/m")

"""Requests: every named case conforms to what AWS publishes and has the expected content."""

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
    Part,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import ClientError, InvalidRequest, UnsupportedFeature
from nexus.models.bedrock import profile
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.converse.write_request import write_request

from .published import check_request

NOVA, NOVA_2 = "us.amazon.nova-pro-v1:0", "us.amazon.nova-2-lite-v1:0"
GPT_OSS, GPT, LLAMA = "openai.gpt-oss-120b-1:0", "us.openai.gpt-5.6-sol", "us.meta.llama4-maverick-17b-instruct-v1:0"
MISTRAL, TITAN, OPAQUE = "mistral.mistral-large-2407-v1:0", "amazon.titan-text-express-v1", "arn:aws:bedrock:x/abc"
DEEPSEEK, DEEPSEEK_R1, KIMI = "deepseek.v3-v1:0", "us.deepseek.r1-v1:0", "moonshot.kimi-k2-thinking"
QWEN = "qwen.qwen3-32b-v1:0"

PNG = base64.b64encode(b"\x89PNG").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
HI = Message("user", (Text("hi"),))
WEATHER = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": ["string", "null"]}}})
TIME = Tool("time")


def said(text: str) -> Message:
    return Message("user", (Text(text),))


def call(name: str = "weather", arguments: str = "{}", call_id: str = "call_1") -> ToolCall:
    return ToolCall(call_id, name, arguments)


def result(text: str = "sunny", call_id: str = "call_1", **more: Any) -> ToolResult:
    return ToolResult(call_id, (Text(text),), **more)


def write(request: Request, model: str = NOVA) -> VendorRequest:
    written = write_request(request, Target(model, converse=profile(model)))
    check_request(written.body)
    return written


def body(request: Request, model: str = NOVA) -> dict[str, Any]:
    return write(request, model).body


def turns(*messages: Message, model: str = NOVA, tools: tuple[Tool, ...] = ()) -> list[tuple[str, list[Any]]]:
    wire = body(Request(messages, tools=tools), model)
    return [(message["role"], message["content"]) for message in wire["messages"]]


def refused(request: Request, model: str = NOVA) -> ClientError:
    with pytest.raises(ClientError) as caught:
        write_request(request, Target(model, converse=profile(model)))
    return caught.value


HISTORY = (said("weather?"), Message("assistant", (call(),)), Message("user", (result(),)))


# Messages


def test_a_minimal_request() -> None:
    assert write(Request((HI,))) == VendorRequest({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})


def test_system_blocks_stay_separate() -> None:
    wire = body(Request((HI,), system=(Text("one"), Text(" "), Text("two"))))
    assert wire["system"] == [{"text": "one"}, {"text": "two"}]


def test_a_model_without_system_prompts_gets_it_in_the_first_turn() -> None:
    wire = body(Request((HI,), system=(Text("be brief"),)), TITAN)
    assert "system" not in wire
    assert wire["messages"][0]["content"] == [{"text": "<system>\nbe brief\n</system>"}, {"text": "hi"}]


# Tool turns


def test_kimi_ids_are_left_unchanged() -> None:
    odd = "functions.weather:0"
    wire = turns(HI, Message("assistant", (call(call_id=odd),)), Message("user", (result(call_id=odd),)), model=KIMI)
    assert wire[1][1][0]["toolUse"]["toolUseId"] == odd


@pytest.mark.parametrize(
    ("asked", "sent"), [("a", r"\w{9}"), ("tooluse_cSetmvboc97Bqb2uO0gzu6", r"\w{9}"), ("aB3dE6gH9", "aB3dE6gH9")]
)
def test_mistral_ids_have_its_form(asked: str, sent: str) -> None:
    wire = turns(
        HI, Message("assistant", (call(call_id=asked),)), Message("user", (result(call_id=asked),)), model=MISTRAL
    )
    (call_id,) = {
        block[kind]["toolUseId"] for _, blocks in wire for block in blocks for kind in block if kind != "text"
    }
    assert re.fullmatch(sent, call_id)


@pytest.mark.parametrize(
    ("arguments", "value"), [("", {}), (" ", {}), ("null", {}), ("[]", {}), ('{"a": [1, null]}', {"a": [1, None]})]
)
def test_arguments_are_parsed(arguments: str, value: Any) -> None:
    assert turns(HI, Message("assistant", (call(arguments=arguments),)))[1][1][0]["toolUse"]["input"] == value


def results(part: ToolResult, model: str) -> Any:
    return turns(HI, Message("assistant", (call(),)), Message("user", (part,)), model=model)[2][1][0]["toolResult"]


def test_models_that_require_json_results_get_json() -> None:
    assert results(result('{"sun": true}'), MISTRAL)["content"] == [{"json": {"sun": True}}]
    assert results(result("sunny"), MISTRAL)["content"] == [{"json": {"result": "sunny"}}]
    assert results(result("[1]"), MISTRAL)["content"] == [{"json": {"result": [1]}}]
    assert results(result("boom", is_error=True), MISTRAL)["content"] == [{"json": {"error": "boom"}}]


def test_documents_and_audio_of_the_assistant_are_rejected() -> None:
    error = refused(Request((HI, Message("assistant", (Text("a"), Audio(Inline("audio/wav", PNG)))))))
    assert isinstance(error, UnsupportedFeature) and error.param == "messages.1.content.1"


# Media


def test_media_are_written() -> None:
    parts: tuple[Part, ...] = (
        Image(Inline("image/jpg", PNG), detail="auto"),
        Image(Link("s3://my-bucket/a/cat.JPG")),
        Document(Inline("application/pdf", PDF), title="Q3/2026: report.pdf"),
        Document(Inline("application/pdf", PDF), title="Q3 2026  report pdf"),
        Document(Inline("text/csv; charset=utf-8", PDF)),
        Audio(Inline("audio/wav", PNG)),
    )
    blocks = turns(Message("user", parts))[0][1]
    assert blocks[0] == {"image": {"format": "jpeg", "source": {"bytes": PNG}}}
    assert blocks[1]["image"] == {"format": "jpeg", "source": {"s3Location": {"uri": "s3://my-bucket/a/cat.JPG"}}}
    names = [block["document"]["name"] for block in blocks if "document" in block]
    assert names == ["Q3 2026 report pdf", "Q3 2026 report pdf (2)", "document"]
    assert blocks[5] == {"audio": {"format": "wav", "source": {"bytes": PNG}}}
    assert blocks[6] == {"text": "Attached: Q3 2026 report pdf, Q3 2026 report pdf (2), document"}


def test_a_documents_context_precedes_it() -> None:
    document = Document(Text("body"), title="t", context="from the archive")
    assert turns(Message("user", (document,)))[0][1][0] == {"text": "from the archive"}


@given(st.lists(st.one_of(st.none(), st.text(max_size=250)), max_size=5))
def test_document_names_follow_bedrock_rules(titles: list[str | None]) -> None:
    documents = tuple(Document(Text("x"), title=title) for title in titles)
    blocks = turns(Message("user", (Text("read"), *documents)))[0][1]
    names = [block["document"]["name"] for block in blocks if "document" in block]
    assert len(set(names)) == len(titles)
    for name in names:
        assert all(letter.isascii() and (letter.isalnum() or letter in " -()[]") for letter in name)
        assert "  " not in name and name == name.strip()


@pytest.mark.parametrize(
    ("part", "error"),
    [
        (Image(Link("https://example.org/cat.png")), UnsupportedFeature),
        (Document(Link("https://example.org/a.pdf")), UnsupportedFeature),
        (Image(Link("s3://bucket/cat")), UnsupportedFeature),
        (Image(Inline("image/tiff", PNG)), UnsupportedFeature),
        (Document(Inline("application/zip", PNG)), UnsupportedFeature),
        (Audio(Inline("audio/midi", PNG)), UnsupportedFeature),
        (Image(Inline("image/png", "")), InvalidRequest),
        (Image(Inline("image/png", "a?b=")), InvalidRequest),
        (Image(Inline("image/png", "é")), InvalidRequest),
        (Document(Text("")), InvalidRequest),
    ],
)
def test_unsupported_media_are_rejected(part: Part, error: type[ClientError]) -> None:
    caught = refused(Request((Message("user", (Text("see"), part)),)))
    assert type(caught) is error and caught.param == "messages.0.content.1"


def test_the_error_for_a_url_explains_why() -> None:
    assert (
        "Nexus fetches no client URL"
        in refused(Request((Message("user", (Image(Link("https://a.org/b.png")),)),))).message
    )


def test_media_inside_a_tool_result_are_reported_with_their_path() -> None:
    part = ToolResult("call_1", (Text("a"), Image(Link("https://example.org/cat.png"))))
    error = refused(Request((HI, Message("assistant", (call(),)), Message("user", (part,)))))
    assert error.param == "messages.2.content.0.content.1"


# Reasoning in the history


# Tools

CLOSED = {"additionalProperties": False}


def test_tools_are_written() -> None:
    either = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": either}}
    strict = Tool("c", " ", schema, strict=True)
    wire = body(Request((HI,), tools=(WEATHER, TIME, strict)), GPT)["toolConfig"]
    assert wire == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "The weather.",
                    "inputSchema": {"json": WEATHER.parameters},
                }
            },
            {"toolSpec": {"name": "time", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            {"toolSpec": {"name": "c", "inputSchema": {"json": schema | CLOSED}, "strict": True}},
        ]
    }
    assert write(Request((HI,), tools=(strict,))).dropped == ("strict",)
    assert refused(Request((HI,), tools=(TIME, Tool("")))).param == "tools.1.name"
    assert refused(Request((HI,), tools=(Tool("a", parameters=[]),))).param == "tools.0.parameters"


def test_novas_schemas_have_three_keywords_at_the_root_and_no_references() -> None:
    """The keywords that zod, pydantic and agents write there are a 400 for every call with the tool."""
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}, "at": {"$ref": "#/$defs/at"}}}
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Find",
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}, "at": {"$ref": "#/$defs/at", "description": "Where"}},
        "required": ["at"],
        "additionalProperties": False,
        "$defs": {"tree": tree, "at": {"type": "string"}},
    }
    for model in (NOVA, NOVA_2):
        written = write(Request((HI,), tools=(Tool("find", parameters=schema),)), model)
        assert written.body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == {
            "type": "object",
            "properties": {
                "tree": {"type": "object", "properties": {"next": {}, "at": {"type": "string"}}},
                "at": {"type": "string", "description": "Where"},
            },
            "required": ["at"],
        }
        assert written.dropped == ("tools.0.parameters.additionalProperties", "tools.0.parameters.$ref")


TOOLS = Request((HI,), tools=(WEATHER, TIME))


def test_a_named_tool_is_sent_alone_where_models_can_only_force_any_tool() -> None:
    config = body(replace(TOOLS, tool_choice=ToolChoice("tool", "time")), MISTRAL)["toolConfig"]
    assert config["toolChoice"] == {"any": {}}
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["time"]


@pytest.mark.parametrize(
    ("request_", "model", "param"),
    [(replace(TOOLS, tool_choice=ToolChoice("required")), LLAMA, "tool_choice"), (TOOLS, DEEPSEEK_R1, "tools")],
)
def test_an_unsupported_tool_choice_is_rejected(request_: Request, model: str, param: str) -> None:
    assert refused(request_, model).param == param


def test_tool_choice_none_removes_tools_unless_the_history_needs_them() -> None:
    without = write(replace(TOOLS, tool_choice=ToolChoice("none")))
    assert "toolConfig" not in without.body and without.dropped == ()
    within = write(Request(HISTORY, tools=(WEATHER,), tool_choice=ToolChoice("none")))
    assert within.body["toolConfig"]["tools"] and within.dropped == ("tool_choice",)


def test_a_history_with_calls_declares_its_tools() -> None:
    tools = body(Request(HISTORY))["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in tools] == ["weather"]


def test_disabling_parallel_tools_is_reported_as_dropped() -> None:
    off = replace(TOOLS, parallel_tools=False)
    assert write(off).dropped == ("parallel_tools",)
    assert write(replace(TOOLS, parallel_tools=True)).dropped == ()
    assert write(Request((HI,), parallel_tools=False)).dropped == ()


# Structured output

SCHEMA = OutputFormat({"type": "object", "properties": {"age": {"type": "integer"}}}, "person", "About a person.")


def test_a_native_schema_is_written() -> None:
    written = write(Request((HI,), output_format=SCHEMA), GPT)
    definition = written.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition["schema"]) == SCHEMA.schema | CLOSED
    assert (definition["name"], definition["description"]) == ("person", "About a person.")
    assert written.answer_tool is None and "toolConfig" not in written.body


@pytest.mark.parametrize(
    ("request_", "model", "choice", "names"),
    [
        (Request((HI,)), NOVA, {"tool": {"name": "answer"}}, ["answer"]),
        (Request((HI,)), MISTRAL, {"any": {}}, ["answer"]),
        (TOOLS, NOVA, {"any": {}}, ["weather", "time", "answer"]),
        (Request((HI,), tools=(Tool("answer"),)), NOVA, {"any": {}}, ["answer", "answer_"]),
        (replace(TOOLS, tool_choice=ToolChoice("none")), NOVA, {"tool": {"name": "answer"}}, ["answer"]),
    ],
)
def test_a_schema_becomes_an_answer_tool(request_: Request, model: str, choice: Any, names: list[str]) -> None:
    written = write(replace(request_, output_format=SCHEMA), model)
    config = written.body["toolConfig"]
    assert config["toolChoice"] == choice
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == names
    assert written.answer_tool == names[-1]
    assert config["tools"][-1]["toolSpec"]["inputSchema"]["json"] == SCHEMA.schema
    strict = write(replace(request_, output_format=replace(SCHEMA, strict=True)), model)
    assert set(strict.dropped) - set(written.dropped) == {"output_format.strict"}


def test_json_mode_becomes_an_answer_tool_too() -> None:
    written = write(Request((HI,), output_format=OutputFormat()), GPT)
    assert written.answer_tool == "answer"


def test_structured_output_is_rejected_or_dropped() -> None:
    assert refused(Request((HI,), output_format=SCHEMA), LLAMA).param == "output_format"
    assert refused(Request((HI,), output_format=SCHEMA), TITAN).param == "output_format"
    array = OutputFormat({"anyOf": [{"type": "array"}]})
    assert refused(Request((HI,), output_format=array)).param == "output_format.schema"
    moot = write(replace(TOOLS, tool_choice=ToolChoice("required"), output_format=SCHEMA))
    assert moot.dropped == ("output_format",) and moot.answer_tool is None


# Thinking

ON = Thinking(True)


@pytest.mark.parametrize(
    ("model", "thinking", "extra"),
    [
        (NOVA_2, ON, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        (NOVA_2, replace(ON, budget=1024), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (NOVA_2, replace(ON, effort="high"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        (NOVA_2, Thinking(False), {"reasoningConfig": {"type": "disabled"}}),
        (GPT_OSS, replace(ON, effort="low"), {"reasoning_effort": "low"}),
        (GPT_OSS, replace(ON, budget=99_999), {"reasoning_effort": "high"}),
        (GPT_OSS, ON, None),
        (GPT, replace(ON, effort="xhigh"), {"reasoning": {"effort": "xhigh"}}),
        (GPT, ON, None),
        (GPT, Thinking(False), {"reasoning": {"effort": "none"}}),
    ],
)
def test_thinking_is_written(model: str, thinking: Thinking, extra: Any) -> None:
    written = write(Request((HI,), thinking=thinking), model)
    assert written.body.get("additionalModelRequestFields") == extra
    assert written.dropped == ()


@pytest.mark.parametrize("model", [NOVA, LLAMA, DEEPSEEK, MISTRAL, OPAQUE])
def test_thinking_is_dropped_for_models_without_the_field(model: str) -> None:
    assert write(Request((HI,), thinking=ON), model).dropped == ("thinking",)


def test_fields_incompatible_with_thinking_are_dropped() -> None:
    hot = Request((HI,), thinking=ON, temperature=0.5, top_p=0.9, top_k=5)
    hard = replace(hot, thinking=Thinking(True, effort="high"), max_tokens=100)
    written = write(hard, NOVA_2)
    assert written.dropped == ("max_tokens", "temperature", "top_p", "top_k")
    assert "inferenceConfig" not in written.body


# Sampling and the rest


def test_the_inference_config_is_written() -> None:
    wire = body(Request((HI,), max_tokens=10, temperature=0, top_p=1.0, top_k=40, stop=("A", "B")))
    config = {"maxTokens": 10, "temperature": 0, "topP": 1.0, "stopSequences": ["A", "B"]}
    assert wire["inferenceConfig"] == config
    assert wire["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 40}}


@pytest.mark.parametrize(
    ("request_", "error", "param"),
    [
        (Request((HI,), temperature=1.2), UnsupportedFeature, "temperature"),
        (Request((HI,), temperature=-0.1), UnsupportedFeature, "temperature"),
        (Request((HI,), top_p=1.5), InvalidRequest, "top_p"),
    ],
)
def test_values_out_of_range_are_rejected(request_: Request, error: type[ClientError], param: str) -> None:
    caught = refused(request_)
    assert type(caught) is error and caught.param == param


@pytest.mark.parametrize(
    ("model", "dropped"),
    [(GPT, ("temperature", "top_p", "top_k")), (GPT_OSS, ("top_k",)), (QWEN, ("top_k",)), (LLAMA, ("top_k",))],
)
def test_sampling_fields_that_a_family_rejects_are_dropped(model: str, dropped: tuple[str, ...]) -> None:
    hot = Request((HI,), temperature=0.5, top_p=0.9, top_k=5, stop=("x",))
    assert set(write(hot, model).dropped) == set(dropped)


@pytest.mark.parametrize(
    ("tier", "wire", "dropped"),
    [
        ("auto", None, ()),
        ("default", {"type": "default"}, ()),
        ("standard_only", {"type": "default"}, ()),
        ("flex", {"type": "flex"}, ()),
        ("priority", {"type": "priority"}, ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_a_service_tier_is_written(tier: str, wire: Any, dropped: tuple[str, ...]) -> None:
    written = write(Request((HI,), service_tier=tier))
    assert written.body.get("serviceTier") == wire and written.dropped == dropped


def test_metadata_is_fitted_to_bedrock_rules() -> None:
    written = write(Request((HI,), user="u-1", metadata={"team": "a b", "bad": '{"x":1}', "": "y"}))
    assert written.body["requestMetadata"] == {"user": "u-1", "team": "a b"}
    assert written.dropped == ("metadata",)
    assert write(Request((HI,), user="a{b}")).dropped == ("user",)
    assert write(Request((HI,), user="a", metadata={"user": "b"})).dropped == ("user",)
    many = write(Request((HI,), metadata={str(n): "x" for n in range(20)}))
    assert len(many.body["requestMetadata"]) == 16 and many.dropped == ("metadata",)


# Prompt caching


def test_cache_hints_become_cache_points() -> None:
    image = Image(Inline("image/png", PNG), cache="5m")
    within = ToolResult("call_1", (Text("sunny", cache="5m"),))
    request = Request(
        (
            Message("user", (Text("a", cache="1h"), image, Text("", cache="5m"))),
            Message("assistant", (replace(call(), cache="5m"),)),
            Message("user", (within,)),
        ),
        tools=(replace(WEATHER, cache="1h"), TIME),
    )
    point = {"cachePoint": {"type": "default"}}
    written = write(request, NOVA)
    assert set(written.dropped) == {"cache", "cache_ttl"}
    system = (Text("", cache="5m"), Text("s", cache="5m"))
    assert write(Request((HI,), system=system), NOVA).body["system"] == [{"text": "s"}, point]
    first = written.body["messages"][0]["content"]
    assert [first[1], first[3], len(first)] == [point, point, 4]
    assert written.body["messages"][1]["content"][1] == point
    assert written.body["messages"][2]["content"][1] == point
    assert "cachePoint" not in json.dumps(written.body["toolConfig"])
    llama = write(request, LLAMA)
    assert llama.dropped == ("cache",) and "cachePoint" not in json.dumps(llama.body)


def test_the_last_four_cache_points_are_kept() -> None:
    texts = tuple(Text(str(number), cache="5m") for number in range(5))
    written = write(Request((Message("user", texts),), system=(Text("s", cache="5m"),)), NOVA)
    kept = [
        ["cachePoint" in block for block in blocks]
        for blocks in (written.body["system"], written.body["messages"][0]["content"])
    ]
    assert kept == [[False], [False, False, True, False, True, False, True, False, True]]
    assert written.dropped == ("cache",)

"""Quirks of compatible servers that are not configured: which one a refusal reveals, in the words of each server."""

from dataclasses import replace

import pytest

from nexus.models.chat_server import FACTS
from nexus.protocols.chat.read_error import read_error
from nexus.protocols.codec import Target
from nexus.providers.openai.refused import holds_always, quirk_of, with_quirks
from nexus.wire import encode

EFFORT, HISTORY, LIMIT, PARTS = "no_reasoning_effort", "no_reasoning_history", "max_completion_tokens", "string_content"

SENT = {
    EFFORT: b'"reasoning_effort":"none"',
    "no_effort_none": b'"reasoning_effort":"none"',
    HISTORY: b'"reasoning_content":"hm","reasoning_details":[],"thinking_blocks":[],"extra_content":{}',
    LIMIT: b'"max_tokens":64',
    PARTS: b'"content":[{"type":"text","text":"hi"}]',
    "json_arguments": b'"arguments":"{"',
    "mistral_tool_ids": b'"tool_call_id":"toolu_1"',
    "no_strict": b'"strict":true',
    "listed_required": b'"tools":[]',
    "plain_tools": b'"tools":[]',
    "no_json_schema": b'"type":"json_schema"',
    "no_stop": b'"stop":["END"]',
    "no_stream_usage": b'"stream_options":{}',
    "no_user": b'"user":"u"',
    "no_seed": b'"seed":1',
    "no_metadata": b'"metadata":{}',
    "no_user_after_tool": b'"role":"user"',
    "system_first": b'"role":"system"',
    "thinking_type": b'"tool_choice":"required"',
    "always_thinks": b'"thinking":{"type":"disabled"}',
    "enable_thinking": b'"tool_choice":"required"',
}
"""The part of the request without which the words mean something else."""

Body = str | bytes
REVEALED: dict[str, tuple[str | None, int, Body]] = {
    # The quirk, the status, and the server's message or its whole error.
    "effort, Ollama": (EFFORT, 400, '"qwen2.5-coder:1.5b" does not support thinking'),
    "effort, xAI": (EFFORT, 400, b'{"error": "Model grok does not support parameter reasoningEffort."}'),
    "effort, Mistral": (EFFORT, 422, b'{"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs"}]}'),
    "off, OpenRouter": ("no_effort_none", 400, "Reasoning is mandatory for this endpoint and cannot be disabled."),
    "history, MiniMax": (HISTORY, 400, "invalid params, Mismatch type []*open_platform_oai.ReasoningDetail"),
    "parts, Alibaba": (PARTS, 400, "<400> InvalidParameter: The content field's type should be `str` in messages."),
    "limit": (LIMIT, 400, "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
    "system": ("system_first", 500, "Jinja Exception: System message must be at the beginning."),
    "system, MiniMax": ("system_first", 400, "invalid params, invalid chat setting (2013)"),
    "system, Ministral": (
        "system_first",
        500,
        "Jinja Exception: Only user, assistant and tool roles are supported, got system.",
    ),
    "user after user, Devstral": (
        "no_user_after_tool",
        500,
        "Jinja Exception: After the optional system message, conversation roles must alternate user and assistant "
        "roles except for tool calls and results.",
    ),
    "user after user, Gemma": (
        "no_user_after_tool",
        400,
        "Conversation roles must alternate user/assistant/user/assistant/...",
    ),
    "user after tool": ("no_user_after_tool", 400, "Unexpected role 'user' after role 'tool'"),
    "ids": ("mistral_tool_ids", 400, "Tool call id was toolu_1 but must be a-z, A-Z, 0-9, with a length of 9."),
    "reasoning": (
        "reasoning_with_calls",
        400,
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
    ),
    "forced tool, DeepSeek": ("thinking_type", 400, "Thinking mode does not support this tool_choice"),
    "off, Kimi": ("always_thinks", 400, "invalid thinking: only type=enabled is allowed for this model"),
    "forced tool, Alibaba": (
        "enable_thinking",
        400,
        "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set to required "
        "or object in thinking mode",
    ),
    "whole answers, Alibaba": (
        "no_whole_thinking",
        400,
        "parameter.enable_thinking must be set to false for non-streaming calls",
    ),
    "whole answers, Alibaba, in Chinese": (
        "no_whole_thinking",
        400,
        "parameter.enable_thinking必须设置为false才能进行非流式调用",
    ),
    "whole answers, ModelScope": ("no_whole_thinking", 400, "enable thinking can not be support when `stream=False`."),
    "forced tool, Kimi": ("thinking_type", 400, "tool_choice 'specified' is incompatible with thinking enabled"),
    "sampling": ("no_sampling", 400, "Model grok-4.6 does not support parameter temperature."),
    "sampling, Kimi": ("no_sampling", 400, "invalid temperature: only 1 is allowed for this model"),
    "stop": ("no_stop", 400, "Argument not supported on this model: stop"),
    "usage": ("no_stream_usage", 422, "body.stream_options: Extra inputs are not permitted"),
    "schema": ("no_json_schema", 400, "This response_format type is unavailable now"),
    "strict, Cerebras": (
        "no_strict",
        422,
        "Tools with mixed values for 'strict' are not allowed. Please set all tools to 'strict: true'",
    ),
    "strict, a model of Cerebras": ("no_strict", 400, "Tools with strict=True are not supported by this model"),
    "strict, Cohere": ("no_strict", 422, b'{"message":"unknown field: parameter \'strict\' is not a valid field."}'),
    "rules, llama.cpp": ("plain_tools", 400, "Failed to initialize samplers: failed to parse grammar"),
    "rules, LM Studio": (
        "plain_tools",
        500,
        'Engine protocol predict request returned 400: {"error":{"code":400,"message":"Failed to initialize samplers: '
        'failed to parse grammar","type":"invalid_request_error"}}',
    ),
    "schemas, DeepSeek": ("listed_required", 400, "Invalid schema for function 'ls': null is not of type \"array\""),
    "schemas, Kimi": (
        "typed_schemas",
        400,
        "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <At path "
        "'properties.source': type is not defined>",
    ),
    "names, Kimi": (
        "typed_schemas",
        400,
        "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes",
    ),
    "parts, serde": (PARTS, 422, "messages[0].content: invalid type: sequence, expected a string at line 1 column 29"),
    "parts, Groq": (PARTS, 400, "'messages.0' : [('messages.0.content' : value must be a string)]"),
    "parts, Azure": (PARTS, 400, "Invalid type for 'messages[0].content': expected a string, but got an array."),
    "parts, Volcengine": (PARTS, 400, "`messages.content` are not valid: expected a string, but got `[{...}]` instead"),
    "parts, FastAPI": (
        PARTS,
        400,
        b'{"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]}',
    ),
    "parts, pydantic 1": (
        PARTS,
        400,
        b'{"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "str type expected"}]}',
    ),
    "history, Groq": (HISTORY, 400, "('messages.1.tool_calls.0' : property 'extra_content' is unsupported)"),
    "history, Mistral": (HISTORY, 400, "messages.1.tool_calls.0.extra_content: Extra inputs are not permitted"),
    "history, OpenAI": (HISTORY, 400, "Unknown parameter: 'messages[1].tool_calls[0].extra_content'."),
    "history, jsonschema": (HISTORY, 400, "Additional properties are not allowed ('extra_content' was unexpected)"),
    "history, Databricks": (HISTORY, 400, "messages.98.thinking_blocks: Extra inputs are not permitted"),
    "history, details": (HISTORY, 422, "body.messages.1.assistant.reasoning_details: Extra inputs are not permitted"),
    "history, reasoning": (HISTORY, 400, "'messages.1' : property 'reasoning_content' is unsupported"),
    "arguments, vLLM": ("json_arguments", 400, "Expecting ',' delimiter: line 1 column 54 (char 53)"),
    "arguments, SGLang": ("json_arguments", 400, "unexpected end of data: line 1 column 10 (char 9)"),
    "arguments, llama.cpp": ("json_arguments", 400, "Failed to parse tool call arguments as JSON: [json.exception]"),
    "arguments, Synthetic": ("json_arguments", 400, "Assistant tool call function.arguments must be valid JSON"),
    "user, Mistral": (
        "no_user",
        422,
        b'{"message":{"detail":[{"loc":["body","user"],"msg":"Extra inputs are not permitted"}]}}',
    ),
    "user, NVIDIA": (
        "no_user",
        400,
        b"{\"error\":\"[{'loc': ('body', 'user'), 'msg': 'Extra inputs are not permitted'}]\"}",
    ),
    "seed, NVIDIA": ("no_seed", 400, "Validation: Unsupported parameter(s): seed"),
    "seed, Mistral": ("no_seed", 422, b'{"detail":[{"loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}'),
    "user, CLIProxyAPI": ("no_user", 400, b'{"detail":"Unsupported parameter: user"}'),
    "metadata, Cerebras": ("no_metadata", 422, "metadata: property 'metadata' is unsupported"),
    "metadata, xAI": ("no_metadata", 400, b'{"code":"400","error":"Argument not supported: metadata"}'),
    "metadata, Azure": ("no_metadata", 400, "Unrecognized request argument supplied: metadata"),
    "seed, jsonschema": ("no_seed", 400, "Additional properties are not allowed ('seed' was unexpected)"),
    "a name in a user's message": (None, 422, "body.messages.0.user.name: Extra inputs are not permitted"),
    "nothing": (None, 400, "No."),
    "another word for thinking": (None, 400, "thinking is wonderful"),
    "another problem with the system message": (None, 400, "the system message is too long"),
    "null in place of text": (None, 400, "Invalid value for 'content': expected a string, got null."),
    "a status that says something else": (None, 429, "Argument not supported on this model: stop"),
}
BOTH = (
    *(EFFORT, "no_effort_none", "json_arguments", "thinking_type", "enable_thinking", "no_user", "no_metadata"),
    "plain_tools",
)
"""Those that are learned on the Responses API too."""

ALL = b"{%b}" % b",".join(SENT.values())


@pytest.mark.parametrize("case", REVEALED)
def test_a_refusal_reveals_a_quirk_of_the_server(case: str) -> None:
    quirk, status, said = REVEALED[case]
    failure = read_error(status, {}, said if isinstance(said, bytes) else encode({"error": {"message": said}}))
    assert quirk_of(failure, "chat", ALL) == quirk
    if quirk in SENT:
        assert quirk_of(failure, "chat", ALL.replace(SENT[quirk], b"")) is None, "nothing of it was sent"
    others = {"no_stream_usage": "rejected members: stream_options"}
    on_responses = quirk if quirk in BOTH else others.get(quirk or "")
    assert quirk_of(failure, "responses", ALL) == on_responses


def test_every_quirk_that_is_learned_is_a_fact_about_servers() -> None:
    assert {quirk for quirk, _, _ in REVEALED.values()} - {None} <= set(FACTS)


def test_a_field_that_the_vendor_blames_reveals_it_too() -> None:
    failure = replace(read_error(400, {}, b'{"error":{"message":"Unsupported parameter."}}'), vendor_param=EFFORT[3:])
    assert quirk_of(failure, "chat", ALL) == EFFORT


def test_a_rejected_value_of_an_effort_says_nothing_about_other_values() -> None:
    failure = read_error(400, {}, encode({"error": {"message": "invalid value for reasoning_effort"}}))
    assert quirk_of(failure, "chat", ALL) == EFFORT
    assert not holds_always(EFFORT, failure) and holds_always(LIMIT, failure)


LISTED: dict[str, tuple[str, tuple[str, ...]]] = {
    # The message of a server that was asked for xhigh, and the levels that it has.
    "Ollama": ('invalid reasoning value: \'xhigh\' (must be "high", "low" or "none")', ("none", "low", "high")),
    "Mistral": ("reasoning_effort: supported values are ['low', 'high', 'max']", ("low", "high", "max")),
    "Groq": ("`reasoning_effort` must be one of `none` or `default`", ("none",)),
    "SGLang": (
        "{'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or 'high'\", 'input': 'xhigh'}",
        ("low", "medium", "high"),
    ),
    "Kimi": (
        "Validation error for `reasoning_effort`: expected one of `'low' | 'medium' | 'high'`, received `'xhigh'`",
        ("low", "medium", "high"),
    ),
    "Copilot": (
        'reasoning_effort "xhigh" is not supported by model qwen3.8-max; supported values: [medium, high]',
        ("medium", "high"),
    ),
    "CLIProxyAPI": (
        'level "xhigh" not supported, valid levels: low, medium, high, max',
        ("low", "medium", "high", "max"),
    ),
}


@pytest.mark.parametrize("server", LISTED)
def test_the_levels_that_a_refusal_lists_are_the_models(server: str) -> None:
    words, levels = LISTED[server]
    failure = read_error(400, {}, encode({"error": {"message": words}}))
    for dialect, body in (("chat", {"reasoning_effort": "xhigh"}), ("responses", {"reasoning": {"effort": "xhigh"}})):
        quirk = quirk_of(failure, dialect, encode(body))
        assert quirk is not None and holds_always(quirk, failure)
        assert with_quirks(Target("m"), frozenset({quirk})).efforts == levels
        less = quirk_of(failure, dialect, encode(body).replace(b"xhigh", levels[0].encode()))
        both = with_quirks(Target("m"), frozenset({quirk, less or EFFORT}))
        assert both.efforts == (levels[1:] or levels)

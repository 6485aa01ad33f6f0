"""Quirks of compatible servers that are not configured: Nexus learns one from a refusal, and sends the request again
accordingly.

Claude Code always asks for thinking and puts system messages inside the conversation, which many servers reject.
"""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import KEY, PATHS, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

CONFIG = """
[llm.providers.house]
type = "openai"
api_key = "{key}"
base_url = "{url}"
{more}
models = ["qwen", "other"]
"""
ASKED: dict[str, Any] = {
    "model": "house/qwen",
    "max_tokens": 64,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "messages": [{"role": "user", "content": "Hi"}],
}
OLLAMA = Behaviour(status=400, message='"qwen2.5-coder:1.5b" does not support thinking')
OLLAMAS_VALUE = Behaviour(status=400, message='invalid reasoning value: \'xhigh\' (must be "high", "low" or "none")')
XAI = Behaviour(
    status=400, body=b'{"code": "invalid-argument", "error": "Model grok does not support parameter reasoningEffort."}'
)
MISTRAL = Behaviour(
    status=422, body=b'{"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs are not permitted"}]}'
)
BLAMED = Behaviour(status=400, message="Unsupported parameter.", error_param="reasoning_effort")


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    return serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=""))


def efforts(upstream: FakeUpstream) -> list[Any]:
    """The effort of every request; in the Responses API it is under ``reasoning``."""
    bodies = [request.json for request in upstream.requests]
    return [body.get("reasoning_effort", (body.get("reasoning") or {}).get("effort")) for body in bodies]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("refusal", [OLLAMA, XAI, MISTRAL, BLAMED], ids=["ollama", "xai", "mistral", "blamed"])
def test_a_rejected_effort_is_left_out_from_then_on(
    refusal: Behaviour, stream: bool, nexus: Nexus, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    openai_upstream.next(refusal)
    first, second = nexus.messages(ASKED | {"stream": stream}), nexus.messages(ASKED)
    assert (first.status, second.status) == (200, 200)
    assert "thinking" in first.headers["x-nexus-dropped"] == second.headers["x-nexus-dropped"]
    assert efforts(openai_upstream) == ["high", None, None]
    assert caplog.text.count("found a quirk of the server that is not configured") == 1


def test_a_rejected_value_does_not_affect_other_values(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMAS_VALUE)
    assert nexus.messages(ASKED | {"output_config": {"effort": "xhigh"}}).status == 200
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["xhigh", None, "high"]


def test_other_models_are_not_affected(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMA)
    assert nexus.messages(ASKED).status == nexus.messages(ASKED | {"model": "house/other"}).status == 200
    assert efforts(openai_upstream) == ["high", None, "high"]


def test_a_quirk_is_learned_on_the_responses_api(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more="responses = true"))
    openai_upstream.next(XAI)
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["high", None]


def test_a_passthrough_client_gets_the_servers_refusal(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMA)
    asked = {"model": "house/qwen", "messages": ASKED["messages"], "reasoning_effort": "high"}
    assert nexus.chat(asked).status == 400


OTHERS: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "Let me see.",
    "tool_calls": [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "QUJD"}},
        }
    ],
}
"""A turn of Gemini's, as its clients send it back."""

HISTORY_REFUSED = {
    "groq": "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1.tool_calls.0' : "
    "property 'extra_content' is unsupported)]",
    "mistral": "messages.1.assistant.tool_calls.0.extra_content: Extra inputs are not permitted",
    "openai": "Unknown parameter: 'messages[1].tool_calls[0].extra_content'.",
    "jsonschema": "Additional properties are not allowed ('extra_content' was unexpected)",
    "reasoning": "'messages.1' : property 'reasoning_content' is unsupported",
}


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("words", HISTORY_REFUSED.values(), ids=HISTORY_REFUSED)
def test_another_vendors_reasoning_that_a_server_rejects_is_removed_in_passthrough_too(
    words: str, stream: bool, serve: Serve
) -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "done"}
    asked = {"model": "house/qwen", "messages": [*ASKED["messages"], OTHERS, result], "stream": stream}
    with FakeUpstream("openai", strict=False) as upstream:
        nexus = serve(CONFIG.format(key=KEY, url=upstream.base_url, more=""))
        upstream.next(Behaviour(status=400, message=words))
        first, second = nexus.chat(asked), nexus.chat(asked)
        turns = [request.json["messages"][1] for request in upstream.requests]
    assert (first.status, second.status) == (200, 200)
    assert first.headers["x-nexus-dropped"] == second.headers["x-nexus-dropped"] == "messages.reasoning"
    assert turns[0] == OTHERS
    call = {name: OTHERS["tool_calls"][0][name] for name in ("id", "type", "function")}
    assert turns[1:] == [{"role": "assistant", "content": None, "tool_calls": [call]}] * 2


def test_the_configured_quirk_removes_it_without_a_failed_request(serve: Serve, openai_upstream: FakeUpstream) -> None:
    more = 'quirks = ["no_reasoning_history"]'
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=more))
    result = {"role": "tool", "tool_call_id": "c1", "content": "done"}
    assert nexus.chat({"model": "house/qwen", "messages": [*ASKED["messages"], OTHERS, result]}).status == 200
    assert openai_upstream.violations == []


def test_a_server_that_wants_the_new_name_of_the_output_limit_gets_it_in_passthrough_too(
    nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    """Such as an Azure deployment whose name does not tell its model."""
    asked = {"model": "house/qwen", "messages": ASKED["messages"], "max_tokens": 64}
    openai_upstream.next(Behaviour(status=400, message=QUIRKS["max_completion_tokens"][1]))
    assert [nexus.chat(asked).status for _ in range(2)] == [200, 200]
    limits = [request.json.get("max_completion_tokens") for request in openai_upstream.requests]
    assert limits == [None, 64, 64]
    assert ["max_tokens" in request.json for request in openai_upstream.requests] == [True, False, False]


BROKEN_REFUSED = {
    "vllm": "Expecting ',' delimiter: line 1 column 54 (char 53)",
    "sglang": "unexpected end of data: line 1 column 10 (char 9)",
    "llama.cpp": "Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] parse error at line 1",
    "synthetic": "Assistant tool call function.arguments must be valid JSON",
}


@pytest.mark.parametrize("words", BROKEN_REFUSED.values(), ids=BROKEN_REFUSED)
def test_broken_arguments_in_a_history_that_passes_through_are_wrapped(
    words: str, nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    """Otherwise a model's one mistake ends the conversation (vllm #43995, llama.cpp #22948)."""
    functions = [{"name": "f", "arguments": arguments} for arguments in ('{"a": ', '{"b": 1}', "null")]
    calls = [{"id": f"c{at}", "type": "function", "function": one} for at, one in enumerate(functions)]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in calls]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    openai_upstream.next(Behaviour(status=400, message=words))
    assert nexus.chat({"model": "house/qwen", "messages": [*ASKED["messages"], turn, *results]}).status == 200
    first, second = (request.json["messages"] for request in openai_upstream.requests)
    assert first[1] == turn
    sent = [call["function"]["arguments"] for call in second[1]["tool_calls"]]
    assert sent == ['{"invalid_json":"{\\"a\\": "}', '{"b": 1}', "{}"]
    assert second[2:] == results


def test_broken_arguments_are_wrapped_for_servers_of_the_responses_api(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    """Codex sends them back to vLLM (vllm #48922)."""
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more="responses = true"))
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"cmd": "'}
    output = {"type": "function_call_output", "call_id": "c1", "output": "invalid arguments"}
    openai_upstream.next(Behaviour(status=400, message="Unterminated string starting at: line 1 column 9 (char 8)"))
    assert nexus.post(PATHS["responses"], {"model": "house/qwen", "input": [call, output]}).status == 200
    first, second = (request.json["input"] for request in openai_upstream.requests)
    assert first == [call, output]
    assert second == [call | {"arguments": '{"invalid_json":"{\\"cmd\\": \\""}'}, output]


@pytest.mark.parametrize("words", ["No.", "thinking is wonderful", "the system message is too long"])
def test_any_other_refusal_is_returned_to_the_client(words: str, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(Behaviour(status=400, message=words))
    assert nexus.messages(ASKED).json["error"]["message"] == words
    assert len(openai_upstream.requests) == 1


KIND = {"role": "system", "content": "Be kind."}
SYSTEM_LATER = [*ASKED["messages"], KIND, {"role": "user", "content": "Go"}]
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
CALLED = [*ASKED["messages"], CALL, {"role": "user", "content": [RESULT, {"type": "text", "text": "Go on"}]}]
TOOLS = [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
BLOCKS = [{"role": "user", "content": [{"type": "text", "text": text} for text in ("Read this", "and that")]}]
PARTS = [{"role": "user", "content": [{"type": "input_text", "text": text} for text in ("Read this", "and that")]}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}

# The quirk, the vendor's message, what is sent in addition to ASKED, and how the second request shows that it was
# understood.
QUIRKS: dict[str, tuple[int, str, dict[str, Any], Any]] = {
    "max_completion_tokens": (
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        {},
        lambda body: body.get("max_completion_tokens") == 64 and "max_tokens" not in body,
    ),
    "system_first": (
        500,
        "Jinja Exception: System message must be at the beginning.",
        {"messages": SYSTEM_LATER},
        lambda body: [message["role"] for message in body["messages"]] == ["user"] * 3,
    ),
    "no_user_after_tool": (
        400,
        "Unexpected role 'user' after role 'tool'",
        {"messages": CALLED, "tools": TOOLS},
        lambda body: (
            [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "assistant", "user"]
        ),
    ),
    "mistral_tool_ids": (
        400,
        "Tool call id was toolu_1 but must be a-z, A-Z, 0-9, with a length of 9.",
        {"messages": CALLED, "tools": TOOLS},
        lambda body: len(body["messages"][2]["tool_call_id"]) == 9,
    ),
    "reasoning_with_calls": (
        400,
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
        {"messages": CALLED, "tools": TOOLS},
        lambda body: body["messages"][1].get("reasoning_content") == " ",
    ),
    "no_sampling": (
        400,
        "Model grok-4.6 does not support parameter temperature.",
        {"temperature": 0.5},
        lambda body: "temperature" not in body,
    ),
    "no_stop": (
        400,
        "Argument not supported on this model: stop",
        {"stop_sequences": ["END"]},
        lambda body: "stop" not in body,
    ),
    "no_stream_usage": (
        422,
        "body.stream_options: Extra inputs are not permitted",
        {"stream": True},
        lambda body: "stream_options" not in body,
    ),
    "string_content": (
        422,
        "Failed to deserialize: messages[0].content: invalid type: sequence, expected a string at line 1 column 29",
        {"messages": BLOCKS},
        lambda body: body["messages"][0]["content"] == "Read this\n\nand that",
    ),
    "no_json_schema": (
        400,
        "This response_format type is unavailable now",
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        lambda body: "response_format" not in body,
    ),
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_is_learned(quirk: str, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    status, words, asked, understood = QUIRKS[quirk]
    with FakeUpstream("openai", strict=False) as upstream:
        nexus = serve(CONFIG.format(key=KEY, url=upstream.base_url, more="retries.attempts = 1"))
        upstream.next(Behaviour(status=status, message=words))
        replies = [nexus.messages(ASKED | asked) for _ in range(2)]
        assert [reply.status for reply in replies] == [200, 200]
        first, *later = [request.json for request in upstream.requests]
    assert not understood(first) and [understood(body) for body in later] == [True, True]
    assert f"'quirk': '{quirk}'" in str([vars(record).get("fields") for record in caplog.records])


NO_LISTS = {
    "groq": (
        b'{"error": {"message": "\'messages.0\' : for \'role:user\' the following must be satisfied'
        b'[(\'messages.0.content\' : value must be a string)]", "type": "invalid_request_error"}}'
    ),
    "azure": (
        b'{"error": {"message": "Invalid type for \'messages[0].content\': expected a string, but got an array '
        b'instead.", "type": "invalid_request_error", "param": "messages[0].content", "code": "invalid_type"}}'
    ),
    "volcengine": (
        b'{"error": {"message": "The parameter `messages.content` specified in the request are not valid: expected a '
        b'string, but got `[{...}]` instead", "code": "InvalidParameter"}}'
    ),
    "fastapi": b'{"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]}',
    "pydantic 1": b'{"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "str type expected"}]}',
}


@pytest.mark.parametrize("server", NO_LISTS)
def test_refusals_of_content_in_parts_are_recognised(server: str, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(Behaviour(status=400, body=NO_LISTS[server]))
    assert nexus.messages(ASKED | {"messages": BLOCKS}).status == 200
    assert nexus.post(PATHS["responses"], {"model": "house/qwen", "input": PARTS}).status == 200
    asked = [request.json["messages"][0]["content"] for request in openai_upstream.requests]
    assert [isinstance(content, str) for content in asked] == [False, True, True]


def test_text_that_is_not_a_string_is_the_clients_error(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    refusal = "Invalid value for 'content': expected a string, got null."
    openai_upstream.next(Behaviour(status=400, message=refusal))
    assert nexus.messages(ASKED | {"messages": BLOCKS}).json["error"]["message"] == refusal
    assert len(openai_upstream.requests) == 1


def test_several_quirks_are_learned_from_one_call_each_once(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    azure = Behaviour(status=400, message=QUIRKS["max_completion_tokens"][1])
    openai_upstream.next(OLLAMA, azure, azure)
    assert nexus.messages(ASKED).json["error"]["message"] == azure.message
    assert efforts(openai_upstream) == ["high", None, None]
    openai_upstream.clear()
    openai_upstream.next(OLLAMA, azure)
    assert nexus.messages(ASKED).status == 200
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["high", None, None, None]
    assert ["max_tokens" in request.json for request in openai_upstream.requests] == [True, True, False, False]


def test_nothing_is_learned_if_the_second_request_fails_too(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMA, Behaviour(status=400, message="No."))
    assert nexus.messages(ASKED).json["error"]["message"] == "No."
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["high", None, "high"]

"""Quirks of compatible servers that are not configured: Nexus learns one from a refusal, and sends the request again
accordingly.

Claude Code always asks for thinking and puts system messages inside the conversation, which many servers reject.
``tests/providers/test_openai_quirks.py`` has the words of each server.
"""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import BODIES, KEY, PATHS, Nexus
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
UNKNOWN_VALUE = Behaviour(status=400, message="Invalid value for reasoning_effort.")
GROQS_VALUE = Behaviour(status=400, message="`reasoning_effort` must be one of `none` or `default`")
OPENROUTERS = Behaviour(status=400, message="Reasoning is mandatory for this endpoint and cannot be disabled.")
OPENAIS = Behaviour(
    status=400,
    message="Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use "
    "function tools, use /v1/responses or set reasoning_effort to 'none'.",
    error_param="reasoning_effort",
)
OLLAMAS_VALUE = Behaviour(status=400, message='invalid reasoning value: \'max\' (must be "high", "low" or "none")')
NEW_LIMIT = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
MISTRALS = Behaviour(status=422, message="body.user: Extra inputs are not permitted")
BLAMED = Behaviour(status=400, message="Unsupported parameter.", error_param="reasoning_effort")


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    return serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=""))


def efforts(upstream: FakeUpstream) -> list[Any]:
    """The effort of every request; in the Responses API it is under ``reasoning``."""
    bodies = [request.json for request in upstream.requests]
    return [body.get("reasoning_effort", (body.get("reasoning") or {}).get("effort")) for body in bodies]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("refusal", [OLLAMA, BLAMED], ids=["ollama", "blamed"])
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
    openai_upstream.next(UNKNOWN_VALUE)
    assert nexus.messages(ASKED | {"output_config": {"effort": "xhigh"}}).status == 200
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["xhigh", None, "high"]


@pytest.mark.parametrize("more", ["", "responses = true"], ids=["chat", "responses"])
def test_the_nearest_of_the_levels_that_a_refusal_lists_is_requested(
    serve: Serve, openai_upstream: FakeUpstream, more: str
) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=more))
    openai_upstream.next(OLLAMAS_VALUE)
    answers = [nexus.messages(ASKED | {"output_config": {"effort": effort}}) for effort in ("max", "xhigh", "medium")]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert efforts(openai_upstream) == ["max", "high", "high", "low"]
    assert "output_config.effort" in answers[0].headers["x-nexus-dropped"]
    nexus.messages(ASKED | {"thinking": {"type": "disabled"}, "output_config": {}})
    assert efforts(openai_upstream)[-1] == "none"


@pytest.mark.parametrize("more", ["", "responses = true"], ids=["chat", "responses"])
def test_thinking_that_cannot_be_off_is_low(serve: Serve, openai_upstream: FakeUpstream, more: str) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=more))
    openai_upstream.next(OPENROUTERS)
    asked = ASKED | {"thinking": {"type": "disabled"}, "output_config": {}}
    answers = [nexus.messages(asked), nexus.messages(asked)]
    assert [(answer.status, answer.headers["x-nexus-dropped"]) for answer in answers] == [(200, "thinking")] * 2
    assert efforts(openai_upstream) == ["none", "low", "low"]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_thinking_is_off_beside_tools_where_they_exclude_each_other(
    stream: bool, nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    """OpenAI's models from GPT-5.6 on, at a server of which only the chat completions are known."""
    openai_upstream.next(OPENAIS)
    with_tools = ASKED | {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "stream": stream}
    answers = [nexus.messages(with_tools), nexus.messages(with_tools | {"thinking": None, "output_config": {}})]
    assert [answer.status for answer in answers] == [200, 200]
    assert "thinking" in answers[0].headers["x-nexus-dropped"]
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["high", "none", "none", "high"]


NO_CHAT = [
    'model "gpt-5.5" is not accessible via the /chat/completions endpoint',
    "The model 'openai.gpt-5.6-terra' does not support the '/v1/chat/completions' API",
    "This model is only supported in v1/responses and not in v1/chat/completions.",
]
NO_RESPONSES = ["model claude-sonnet-4.6 does not support Responses API."]
"""Copilot's (ericc-ch/copilot-api #274, 9router #1536), Bedrock Mantle's (big-AGI #1167) and OpenAI's own."""
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
PREFERRED = "responses = true"
ONE_API = [
    *((client, words, "", CHAT) for client in ("chat", "messages", "responses") for words in NO_CHAT),
    *(("chat", words, PREFERRED, CHAT) for words in NO_CHAT),
    *((client, words, PREFERRED, RESPONSES) for client in ("messages", "responses") for words in NO_RESPONSES),
]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(("client", "words", "more", "path"), ONE_API)
def test_a_model_is_called_by_the_api_that_it_has(
    serve: Serve, openai_upstream: FakeUpstream, client: str, words: str, more: str, path: str, stream: bool
) -> None:
    """``path`` is the one that is tried first."""
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=more))
    body = {**BODIES[client], "model": "house/qwen", "stream": stream}
    openai_upstream.next(Behaviour(status=400, message=words))
    assert [nexus.post(PATHS[client], body).status for _ in range(2)] == [200, 200]
    assert nexus.post(PATHS[client], {**body, "model": "house/other"}).status == 200
    other = RESPONSES if path == CHAT else CHAT
    assert [request.path for request in openai_upstream.requests] == [path, other, other, path]


NO_CUSTOM = [
    'Only `type:"function"` tools are supported on this endpoint.',
    "Invalid value: 'custom'",
    "Invalid value: 'namespace'. Supported values are: 'function'.",
    "'type' of tool must be 'function'",
]


@pytest.mark.parametrize("words", NO_CUSTOM)
def test_tools_of_codex_become_functions_where_nothing_else_is_accepted(
    serve: Serve, openai_upstream: FakeUpstream, words: str
) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=PREFERRED))
    body = {**BODIES["responses"], "model": "house/qwen"}
    patch = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    openai_upstream.next(Behaviour(status=400, message=words))
    openai_upstream.next(Behaviour(tool_calls=(("apply_patch", '{"input": "*** Begin"}'),)))
    (call,) = nexus.post(PATHS["responses"], body | {"tools": [patch]}).json["output"]
    assert (call["type"], call["name"], call["input"]) == ("custom_tool_call", "apply_patch", "*** Begin")
    assert nexus.post(PATHS["responses"], body).status == 200
    assert [request.path for request in openai_upstream.requests] == [RESPONSES, CHAT, RESPONSES]


def test_the_setting_decides_which_api_a_server_has(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more="responses = false"))
    openai_upstream.next(Behaviour(status=400, message=NO_CHAT[0]))
    assert nexus.messages(ASKED).status == 400


def test_a_model_without_levels_thinks_as_it_likes(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(GROQS_VALUE)
    answers = [nexus.messages(ASKED), nexus.messages(ASKED | {"thinking": {"type": "disabled"}, "output_config": {}})]
    assert [answer.status for answer in answers] == [200, 200]
    assert efforts(openai_upstream) == ["high", None, "none"]


@pytest.mark.parametrize("more", ["", "responses = true"], ids=["chat", "responses"])
def test_the_user_whom_claude_code_names_is_left_out_where_it_is_unknown(
    serve: Serve, openai_upstream: FakeUpstream, more: str
) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=more))
    openai_upstream.next(MISTRALS)
    asked = ASKED | {"metadata": {"user_id": "u"}}
    answers = [nexus.messages(asked), nexus.messages(asked)]
    assert [(answer.status, answer.headers["x-nexus-dropped"]) for answer in answers] == [(200, "metadata")] * 2
    assert [request.json.get("user") for request in openai_upstream.requests] == ["u", None, None]


def test_a_quirk_is_learned_on_the_responses_api(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more="responses = true"))
    openai_upstream.next(OLLAMA)
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


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_another_vendors_reasoning_that_a_server_rejects_is_removed_in_passthrough_too(
    stream: bool, serve: Serve
) -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "done"}
    asked = {"model": "house/qwen", "messages": [*ASKED["messages"], OTHERS, result], "stream": stream}
    with FakeUpstream("openai", strict=False) as upstream:
        nexus = serve(CONFIG.format(key=KEY, url=upstream.base_url, more=""))
        upstream.next(Behaviour(status=400, message="extra_content: Extra inputs are not permitted"))
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
    openai_upstream.next(Behaviour(status=400, message=NEW_LIMIT))
    assert [nexus.chat(asked).status for _ in range(2)] == [200, 200]
    limits = [request.json.get("max_completion_tokens") for request in openai_upstream.requests]
    assert limits == [None, 64, 64]
    assert ["max_tokens" in request.json for request in openai_upstream.requests] == [True, False, False]


@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
def test_thinking_is_off_in_whole_answers_of_a_server_that_refuses_it_there(serve: Serve, client: str) -> None:
    """Qwen3 at Alibaba, which thinks by default."""
    refusal = "parameter.enable_thinking must be set to false for non-streaming calls"
    with FakeUpstream("openai", strict=False) as upstream:
        nexus = serve(CONFIG.format(key=KEY, url=upstream.base_url, more=""))
        upstream.next(Behaviour(status=400, message=refusal))
        asked = {**BODIES[client], "model": "house/qwen"}
        answers = [nexus.post(PATHS[client], asked | {"stream": stream}) for stream in (False, False, True)]
        sent = [request.json.get("enable_thinking") for request in upstream.requests]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert sent == [None, False, False, None]


def test_a_server_that_refuses_strict_gets_tools_without_it_in_passthrough_too(
    nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    """Cerebras's refusal; OpenAI accepts a mixture."""
    named = {"name": "f", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}
    tools = [{"type": "function", "function": one} for one in (named | {"strict": True}, named | {"name": "g"})]
    openai_upstream.next(Behaviour(status=422, message="Tools with mixed values for 'strict' are not allowed."))
    replies = [nexus.chat({"model": "house/qwen", "messages": ASKED["messages"], "tools": tools}) for _ in range(2)]
    assert [reply.headers["x-nexus-dropped"] for reply in replies] == ["tools.strict"] * 2
    strict = [["strict" in tool["function"] for tool in request.json["tools"]] for request in openai_upstream.requests]
    assert strict == [[True, False], [False, False], [False, False]]


def test_rules_that_llama_cpp_does_not_compile_become_text_in_passthrough_too(
    nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    ruled, plain = {"type": "string", "maxLength": 2000}, {"type": "string", "description": "{maxLength: 2000}"}
    schemas = [{"type": "object", "properties": {"a": one}} for one in (ruled, plain)]
    tools = [{"type": "function", "function": {"name": "f", "parameters": schemas[0]}}]
    openai_upstream.next(Behaviour(status=400, message="Failed to initialize samplers: failed to parse grammar"))
    asked = {"model": "house/qwen", "messages": ASKED["messages"], "tools": tools}
    assert [nexus.chat(asked).headers["x-nexus-dropped"] for _ in range(2)] == ["tools.parameters"] * 2
    sent = [request.json["tools"][0]["function"]["parameters"] for request in openai_upstream.requests]
    assert sent == [schemas[0], schemas[1], schemas[1]]


def test_rules_become_text_for_servers_of_the_responses_api(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more="responses = true"))
    ruled, plain = {"type": "string", "maxLength": 2000}, {"type": "string", "description": "{maxLength: 2000}"}
    schemas = [{"type": "object", "properties": {"a": one}} for one in (ruled, plain)]
    openai_upstream.next(Behaviour(status=400, message="Failed to initialize samplers: failed to parse grammar"))
    tool = {"type": "function", "name": "f", "parameters": schemas[0], "strict": False}
    reply = nexus.post(PATHS["responses"], {"model": "house/qwen", "input": "Hi", "tools": [tool]})
    assert reply.headers["x-nexus-dropped"] == "tools.parameters"
    assert nexus.messages(ASKED | {"tools": [{"name": "f", "input_schema": schemas[0]}]}).status == 200
    sent = [request.json["tools"][0]["parameters"] for request in openai_upstream.requests]
    assert sent == [schemas[0], schemas[1], schemas[1]]


def test_a_server_that_takes_no_tool_without_required_gets_it_in_passthrough_too(
    nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    """Servers of DeepSeek's models; a client in Go wrote null itself."""
    bare: dict[str, Any] = {"type": "object", "properties": {}}
    schemas = [bare, bare | {"required": None}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": one}} for one in schemas]
    openai_upstream.next(
        Behaviour(status=400, message="Invalid schema for function 'f': null is not of type \"array\"")
    )
    asked = {"model": "house/qwen", "messages": ASKED["messages"], "tools": tools}
    assert [nexus.chat(asked).status for _ in range(2)] == [200, 200]
    sent = [[tool["function"]["parameters"] for tool in request.json["tools"]] for request in openai_upstream.requests]
    assert sent == [schemas, *[[bare | {"required": []}] * 2] * 2]


def test_broken_arguments_in_a_history_that_passes_through_are_wrapped(
    nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    """Otherwise a model's one mistake ends the conversation (vllm #43995, llama.cpp #22948)."""
    functions = [{"name": "f", "arguments": arguments} for arguments in ('{"a": ', '{"b": 1}', "null")]
    calls = [{"id": f"c{at}", "type": "function", "function": one} for at, one in enumerate(functions)]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in calls]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    openai_upstream.next(Behaviour(status=400, message="Assistant tool call function.arguments must be valid JSON"))
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


def test_any_other_refusal_is_returned_to_the_client(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(Behaviour(status=400, message="No."))
    assert nexus.messages(ASKED).json["error"]["message"] == "No."
    assert len(openai_upstream.requests) == 1


def test_several_quirks_are_learned_from_one_call_each_once(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    azure = Behaviour(status=400, message=NEW_LIMIT)
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

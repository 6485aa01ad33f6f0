"""Members of a request that a server rejects by name and the answer does not depend on: agents send them to every
server, so Nexus leaves them out and sends the request again.
"""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.test_learned_quirks import CONFIG, PREFERRED
from tests.server.vendors import LANES, Lane, Stand
from tests.serving import BODIES, KEY, PATHS
from tools.fake_upstream import Behaviour, FakeUpstream

KEPT = {"prompt_cache_key": "talk-1", "user": "alice", "metadata": {"team": "a"}}
OWN = {"access_programs": {"cyber": "standard"}, "client_metadata": {"x-codex-installation-id": "1"}}


def has(value: Any, path: str) -> bool:
    if isinstance(value, list):
        return any(has(one, path) for one in value)
    key, _, inner = path.partition(".")
    return key in value and (not inner or has(value[key], inner))


def item(**members: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "Hi", **members}]}


LITELLMS = "messages.provider_specific_fields"


def said(**members: Any) -> dict[str, Any]:
    asked = {"role": "user", "content": "Hi"}
    return {"messages": [asked, {"role": "assistant", "content": "Hi", **members}, asked]}


REJECTED = [
    # The client, whether the server has Responses, what the client sends, the server's words ("": the fake's own, as
    # OpenAI's), and what it then lacks.
    ("chat", "", KEPT, "property 'prompt_cache_key' is unsupported", "prompt_cache_key"),
    ("chat", "", KEPT, "Validation: Unsupported parameter(s): `prompt_cache_key`", "prompt_cache_key"),
    ("chat", "", KEPT, "Unrecognized request argument supplied: prompt_cache_key", "prompt_cache_key"),
    ("chat", "", KEPT, "body.user: Extra inputs are not permitted", "user"),
    ("chat", "", KEPT, "Unknown parameter: 'metadata'.", "metadata"),
    ("chat", "", {"stream_options": {"include_usage": True}}, "stream_options is not supported", "stream_options"),
    ("chat", PREFERRED, KEPT, "Unsupported parameter: prompt_cache_key", "prompt_cache_key"),
    ("responses", PREFERRED, OWN, "[invalid_request_error] unknown parameter `access_programs`", "access_programs"),
    ("responses", PREFERRED, OWN, "Unknown parameter: 'client_metadata'.", "client_metadata"),
    ("chat", "", said(provider_specific_fields={"a": 1}), "", LITELLMS),
    ("chat", "", said(refusal=None), "'messages.1' : property 'refusal' is unsupported", "messages.refusal"),
    ("messages", PREFERRED, {}, 'invalid request body: json: unknown field "store"', "store"),
    ("responses", PREFERRED, {"store": False}, 'invalid request body: json: unknown field "store"', "store"),
    ("responses", PREFERRED, KEPT, '{"detail":"Unsupported parameter: metadata"}', "metadata"),
    ("responses", PREFERRED, item(metadata={"a": "b"}), "", "input.metadata"),
    ("responses", PREFERRED, item(status="completed"), "", "input.status"),
]
"""Groq's (zed #36215), NVIDIA's and Azure's (kimi-code #3660), Mistral's, OpenAI's, Console Go's (opencodex #4853)
and Perplexity's (opencode #32108)."""


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(("client", "more", "given", "words", "lost"), REJECTED)
def test_a_rejected_member_on_which_the_answer_does_not_depend_is_left_out_from_then_on(
    serve: Serve,
    openai_upstream: FakeUpstream,
    client: str,
    more: str,
    given: dict[str, Any],
    words: str,
    lost: str,
    stream: bool,
) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=more))
    body = {**BODIES[client], "model": "house/qwen", "stream": stream, **given}
    if words:
        openai_upstream.next(Behaviour(status=400, message=words))
    answers = [nexus.post(PATHS[client], body) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert all(lost in answer.headers["x-nexus-dropped"].split(", ") for answer in answers)
    with_it, *without = [request.json for request in openai_upstream.requests]
    assert has(with_it, lost) and not any(has(sent, lost) for sent in without)
    assert all(set(given) - {lost} <= sent.keys() for sent in without)


def test_a_member_that_an_organization_lacks_is_sent_again_the_next_time(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    """Another key may belong to another organization (codex #46398)."""
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=PREFERRED))
    body = {**BODIES["responses"], "model": "house/qwen", **OWN}
    words = "The access_programs parameter is not enabled for this organization."
    openai_upstream.next(Behaviour(status=400, message=words, error_param="access_programs.cyber"))
    assert [nexus.post(PATHS["responses"], body).status for _ in range(2)] == [200, 200]
    assert ["access_programs" in request.json for request in openai_upstream.requests] == [True, False, True]


def test_usage_that_only_nexus_requests_is_no_longer_requested_where_it_is_rejected(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=""))
    openai_upstream.next(Behaviour(status=422, message="body.stream_options: Extra inputs are not permitted"))
    body = {**BODIES["chat"], "model": "house/qwen", "stream": True}
    answers = [nexus.post(PATHS["chat"], body) for _ in range(2)]
    assert [(answer.status, "x-nexus-dropped" in answer.headers) for answer in answers] == [(200, False)] * 2
    assert ["stream_options" in request.json for request in openai_upstream.requests] == [True, False, False]


CLAUDES = """
[llm.providers.house]
type = "anthropic"
api_key = "{key}"
base_url = "{url}"
models = ["qwen"]
"""
TOOL = {"name": "look", "input_schema": {"type": "object"}, "eager_input_streaming": True}
FOUND = {"name": "find", "input_schema": {"type": "object"}, "defer_loading": True}
SYSTEM = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
EXTRA = "{}: Extra inputs are not permitted"
DEEPSEEKS = "Invalid 'user_id': string does not match pattern. Expected a string that matches '^[a-zA-Z0-9_-]+$'."
OF_CLAUDE_CODE: list[tuple[dict[str, Any], str, str]] = [
    # What Claude Code sends, the words of the server ("": the fake's own), and what the request lacks then.
    ({"context_management": {"edits": []}}, "", "context_management"),
    ({"metadata": {"user_id": "u"}}, EXTRA.format("metadata"), "metadata"),
    ({"metadata": {"user_id": "{}"}}, DEEPSEEKS, "metadata"),
    ({"tools": [TOOL]}, EXTRA.format("tools.0.custom.eager_input_streaming"), "tools.eager_input_streaming"),
    ({"system": SYSTEM}, EXTRA.format("system.0.cache_control.ephemeral.ttl"), "system.cache_control.ttl"),
    ({"tools": [TOOL, FOUND]}, EXTRA.format("tools.1.custom.defer_loading"), "tools.defer_loading"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(("given", "words", "lost"), OF_CLAUDE_CODE, ids=[lost for *_, lost in OF_CLAUDE_CODE])
def test_what_claude_code_sends_is_left_out_where_it_is_rejected(
    serve: Serve, anthropic_upstream: FakeUpstream, given: dict[str, Any], words: str, lost: str, stream: bool
) -> None:
    nexus = serve(CLAUDES.format(key=KEY, url=anthropic_upstream.base_url))
    body = {**BODIES["messages"], "model": "house/qwen", "stream": stream, **given}
    if words:
        anthropic_upstream.next(Behaviour(status=400, message=words))
    answers = [nexus.post(PATHS["messages"], body) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert all(lost in answer.headers["x-nexus-dropped"].split(", ") for answer in answers)
    with_it, *without = [request.body.decode() for request in anthropic_upstream.requests]
    name = lost.rpartition(".")[2]
    assert name in with_it and not any(name in body for body in without)


def test_a_member_that_a_translation_writes_is_left_out_where_it_is_rejected(
    serve: Serve, anthropic_upstream: FakeUpstream
) -> None:
    nexus = serve(CLAUDES.format(key=KEY, url=anthropic_upstream.base_url))
    body = {**BODIES["chat"], "model": "house/qwen", "user": "alice"}
    anthropic_upstream.next(Behaviour(status=400, message=EXTRA.format("metadata")))
    answers = [nexus.post(PATHS["chat"], body) for _ in range(2)]
    assert [(answer.status, answer.headers["x-nexus-dropped"]) for answer in answers] == [(200, "metadata")] * 2
    assert ["metadata" in request.json for request in anthropic_upstream.requests] == [True, False, False]


REFUSED_BETAS = [
    ("Unexpected value(s) `advisor-tool-2026-03-01`, `new-1` for the `anthropic-beta` header.", "claude-code-1"),
    (
        "No endpoints available that support Anthropic's context management features (new-1).",
        "claude-code-1,advisor-tool-2026-03-01",
    ),
]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(("words", "kept"), REFUSED_BETAS)
def test_betas_that_a_server_names_are_left_out(
    serve: Serve, anthropic_upstream: FakeUpstream, words: str, kept: str, stream: bool
) -> None:
    """Gateways in front of Claude elsewhere (new-api #2975), and OpenRouter (cc-switch #1888)."""
    nexus = serve(CLAUDES.format(key=KEY, url=anthropic_upstream.base_url))
    betas = "claude-code-1, advisor-tool-2026-03-01, new-1"
    anthropic_upstream.next(Behaviour(status=400, message=words))
    for body in (BODIES["messages"], BODIES["messages"]):
        reply = nexus.post(
            PATHS["messages"], {**body, "model": "house/qwen", "stream": stream}, {"anthropic-beta": betas}
        )
        assert reply.status == 200
    sent = [request.header("anthropic-beta") for request in anthropic_upstream.requests]
    assert sent == [betas, kept, kept]


CLOUDS = [lane for lane in LANES if lane.name in ("vertex claude", "bedrock claude")]


@pytest.mark.parametrize("lane", CLOUDS, ids=lambda lane: lane.name)
def test_a_cloud_gets_no_member_that_it_rejects(lane: Lane, stand: Stand) -> None:
    vendor = stand(lane)
    vendor.upstream.next(Behaviour(status=400, message=EXTRA.format("metadata")))
    given: dict[str, dict[str, Any]] = {"messages": {"metadata": {"user_id": "u"}}, "chat": {"user": "u"}}
    bodies = {client: {**BODIES[client], "model": "v/m", **more} for client, more in given.items()}
    answers = [vendor.nexus.post(PATHS[client], body) for client, body in bodies.items()]
    assert [(answer.status, answer.headers["x-nexus-dropped"]) for answer in answers] == [(200, "metadata")] * 2
    assert ["metadata" in request.json for request in vendor.upstream.requests] == [True, False, False]


def test_vertex_gets_no_beta_that_it_rejects(stand: Stand) -> None:
    vendor = stand(CLOUDS[0])
    beta = "context-1m-2025-08-07"
    vendor.upstream.next(
        Behaviour(status=400, message=f"Unexpected value(s) `{beta}` for the `anthropic-beta` header.")
    )
    for _ in range(2):
        body = {**BODIES["messages"], "model": "v/m"}
        assert vendor.nexus.post(PATHS["messages"], body, {"anthropic-beta": beta}).status == 200
    assert [request.header("anthropic-beta") for request in vendor.upstream.requests] == [beta, None, None]

"""Claude rejects its own earlier thinking if anything before it changed, Bedrock that of another region, OpenAI and xAI
that of another organization; the answer is then requested without it.

Source: platform.claude.com, "Prefix checks on thinking blocks"; the words of the 400s: anomalyco/opencode#48637,
NousResearch/hermes-agent#115865, openai/codex#8100, Wei-Shaw/sub2api#4535.
"""

from typing import Any

import openai
import pytest

from tests.conftest import Serve
from tests.server.vendors import DISTINCT, RESPONSES, Lane, Stand, providers
from tests.serving import PATHS
from tools.fake_upstream import Behaviour, FakeUpstream

BOUND = Behaviour(
    status=400,
    message="messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different "
    'conversation. Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".',
)
ELSEWHERE = Behaviour(
    status=400,
    message='The model returned the following errors: {"error":{"code":"validation_error","message":"Encrypted content '
    'cannot be used in a different region from the one that created it.","param":null}}',
)
CLAUDES = [lane for lane in DISTINCT if "claude" in lane.name or lane.name == "anthropic"]
CHECKING = [*((lane, BOUND) for lane in CLAUDES), (Lane("gpt", "bedrock", "us.openai.gpt-5.6-sol", None), ELSEWHERE)]
TOOLS: Any = [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(("lane", "refusal"), CHECKING, ids=[lane.name for lane, _ in CHECKING])
def test_the_answer_is_requested_without_it(stand: Stand, lane: Lane, refusal: Behaviour, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(Behaviour(thinking="Hm.", tool_calls=(("weather", "{}"),)))
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        asked: list[Any] = [{"role": "user", "content": "Hi"}]
        more: Any = {"model": "v/m", "reasoning": {"effort": "low"}, "tools": TOOLS, "store": False}
        said = client.responses.create(input=asked, **more)
        asked += [item.to_dict() for item in said.output]
        asked.append({"type": "function_call_output", "call_id": said.output[-1].to_dict()["call_id"], "output": "19"})
        for refused in (refusal, refusal):
            before = len(house.upstream.requests)
            house.upstream.next(refused)
            changed = client.responses.with_raw_response.create(
                input=asked, instructions="It is 10:31.", stream=stream, **more
            )
            first, again = house.upstream.requests[before:]
            assert b"Hm." in first.body and b"Hm." not in again.body
            assert "input.reasoning" in changed.headers["x-nexus-dropped"]
    assert house.upstream.violations == []


def test_other_refusals_are_returned(stand: Stand) -> None:
    house = stand(CLAUDES[0])
    house.upstream.next(Behaviour(status=400, message="messages: too many thinking blocks"))
    client = openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0)
    with client, pytest.raises(openai.BadRequestError):
        client.responses.create(model="v/m", input="Hi")


HISTORY: list[Any] = [
    {"role": "user", "content": "Hi"},
    {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm.", "signature": "EuYBCkQ="}, {"type": "text", "text": "Yes."}],
    },
    {"role": "user", "content": "Go on."},
    {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "EuYB"}]},
    {"role": "user", "content": "Well?"},
]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_a_session_that_moved_to_another_place_goes_on(
    serve: Serve, anthropic_upstream: FakeUpstream, stream: bool
) -> None:
    """A Messages client cannot know where an answer came from. One that names a plain model gets its vendor's words."""
    with FakeUpstream("anthropic") as second:
        tables = (
            ("v1", "anthropic", anthropic_upstream, "", "claude-opus-5-5"),
            ("v2", "anthropic", second, "", "claude-opus-5-5"),
        )
        nexus = serve(providers(*tables) + '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n')
        body = {"model": "smart", "max_tokens": 99, "messages": HISTORY, "stream": stream}
        anthropic_upstream.next(BOUND)
        reply = nexus.messages(body)
        assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, "messages.thinking")
        assert reply.headers["x-nexus-route"] == "v1/claude-opus-5-5"
        sent = anthropic_upstream.requests[-1].json["messages"]
        assert [message["content"] for message in sent] == [
            "Hi",
            [{"type": "text", "text": "Yes."}],
            "Go on.",
            [{"type": "text", "text": "(I was only thinking.)"}],
            "Well?",
        ]
        anthropic_upstream.next(BOUND)
        plain = nexus.messages({**body, "model": "v1/m"})
        assert plain.status == 400 and b"bound to a different conversation" in plain.body


OTHERS = [
    "The encrypted content gAAA...Rg== could not be verified. Reason: Encrypted content organization_id did not match.",
    "Could not decrypt the provided encrypted_content. Ensure the value is the unmodified encrypted_content.",
    "reasoning `encrypted_content` was not issued to this caller",
]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("words", OTHERS, ids=["openai", "xai", "zen"])
def test_reasoning_of_another_organization_is_left_out(stand: Stand, words: str, stream: bool) -> None:
    house = stand(RESPONSES)
    house.upstream.next(Behaviour(thinking="Hm.", text="Yes."))
    asked = {"model": "v/m", "max_tokens": 8192, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    said = house.nexus.messages({**asked, "messages": HISTORY[:1]}).json["content"]
    assert [block["type"] for block in said] == ["thinking", "text"]
    messages = [*HISTORY[:1], {"role": "assistant", "content": said}, HISTORY[-1]]
    house.upstream.next(Behaviour(status=400, message=words))
    reply = house.nexus.messages({**asked, "messages": messages, "stream": stream})
    assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, "messages.reasoning")
    refused, sent = house.upstream.requests[-2:]
    assert b"encrypted_content" in refused.body and [item.get("role") for item in sent.json["input"]] == [
        "user",
        "assistant",
        "user",
    ]


def test_a_responses_session_that_moved_to_another_organization_goes_on(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    with FakeUpstream("openai") as second:
        tables = (
            ("v1", "openai", openai_upstream, "responses = true", "gpt-5.4"),
            ("v2", "openai", second, "responses = true", "gpt-5.4"),
        )
        nexus = serve(providers(*tables) + '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n')
        thought = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
        said = {"role": "assistant", "content": "Yes."}
        user = {"role": "user", "content": "Hi"}
        body = {"model": "smart", "store": False, "prompt_cache_key": "s", "input": [user, thought, said, user]}
        for upstream in (openai_upstream, second):
            upstream.next(Behaviour(status=400, message=OTHERS[0]))
        reply = nexus.post(PATHS["responses"], body)
        assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, "input.reasoning")
        requests = [*openai_upstream.requests, *second.requests]
        assert [request.json["input"] for request in requests] == [body["input"], [user, said, user]]
        openai_upstream.next(Behaviour(status=400, message=OTHERS[0]))
        assert nexus.post(PATHS["responses"], {**body, "model": "v1/m"}).status == 400

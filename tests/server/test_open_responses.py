"""The HTTP part of the public Open Responses compliance suite, reimplemented, against every vendor lane.

Each case is one request as a client of that protocol makes it. Every answer and event is checked against the
specification's types, and every echoed request field against the request.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.open_responses import check_event, check_resource
from tests.server.vendors import LANES, PIXEL, Lane, Stand
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place now",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "A city"}},
        "required": ["location"],
    },
}


def said(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


CASES: dict[str, tuple[dict[str, Any], Behaviour, str]] = {
    "basic response": ({"input": [said("user", "Say hello in three words.")]}, Behaviour(), "message"),
    "system prompt": (
        {"input": [said("system", "You are a pirate."), said("user", "Say hello.")]},
        Behaviour(),
        "message",
    ),
    "tool calling": (
        {"input": [said("user", "How is the weather in Rome?")], "tools": [WEATHER]},
        Behaviour(tool_calls=(("get_weather", '{"location": "Rome"}'),)),
        "function_call",
    ),
    "image input": (
        {
            "input": [
                said(
                    "user",
                    [
                        {"type": "input_text", "text": "What is in this picture?"},
                        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
                    ],
                )
            ]
        },
        Behaviour(),
        "message",
    ),
    "multi-turn": (
        {"input": [said("user", "I am Alice."), said("assistant", "Hello Alice!"), said("user", "Who am I?")]},
        Behaviour(),
        "message",
    ),
    "reasoning": ({"input": "Think.", "reasoning": {"summary": "auto"}}, Behaviour(thinking="Hm."), "message"),
}

COMPATIBLE = Lane("compatible server", "openai", "gpt-4.1", "chat", "responses = false\n")
CLAUDE, GEMINI = (next(lane for lane in LANES if lane.name == name) for name in ("anthropic", "gemini"))
TRANSLATED = [COMPATIBLE, *(lane for lane in LANES if lane.vendor != "openai")]


@pytest.fixture(params=TRANSLATED, ids=lambda lane: lane.name)
def running(request: pytest.FixtureRequest, stand: Stand) -> Iterator[tuple[Nexus, FakeUpstream]]:
    standing = stand(request.param)
    yield standing.nexus, standing.upstream
    assert standing.upstream.violations == []


def ask(nexus: Nexus, **fields: Any) -> Any:
    """The answer; every event of its stream has been checked."""
    reply = nexus.post("/llm/openai/v1/responses", {"model": "v/m", **fields})
    assert reply.status == 200, reply.body
    if not fields.get("stream"):
        check_resource(reply.json)
        return reply.json
    events = [json.loads(line[6:]) for line in reply.body.decode().split("\n") if line.startswith("data: ")]
    for event in events:
        check_event(event)
    kinds = [event["type"] for event in events]
    assert (kinds[:2], kinds[-1]) == (["response.created", "response.in_progress"], "response.completed")
    if fields.get("tools"):
        arguments = {f"response.function_call_arguments.{end}" for end in ("delta", "done")}
        assert arguments <= set(kinds)
    return events[-1]["response"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_case_of_the_suite_complies(running: tuple[Nexus, FakeUpstream], stream: bool) -> None:
    nexus, upstream = running
    for name, (fields, behaviour, kind) in CASES.items():
        upstream.next(behaviour)
        answer = ask(nexus, stream=stream, **fields)
        assert (answer["status"], answer["error"], answer["store"]) == ("completed", None, False), name
        assert kind in [item["type"] for item in answer["output"]], name
        assert answer["completed_at"] >= answer["created_at"] > 1_700_000_000, name


ASKED: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.25,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "top_logprobs": 2,
    "service_tier": "flex",
    "safety_identifier": "somebody",
    "prompt_cache_key": "talk-1",
    "max_output_tokens": 64,
    "metadata": {"a": "b"},
    "user": "u-1",
}
DEFAULTS: dict[str, Any] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "service_tier": "default",
    "safety_identifier": None,
    "prompt_cache_key": None,
    "max_output_tokens": None,
    "metadata": {},
    "user": None,
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_echoes_the_requests_fields(serve: Serve, tmp_path: Path, stream: bool) -> None:
    with FakeUpstream("gemini") as upstream:
        nexus = serve(GEMINI.config(upstream, tmp_path))
        asked = ask(nexus, input="Hi", stream=stream, store=False, **ASKED)
        assert {name: asked[name] for name in ASKED} == ASKED
        plain = ask(nexus, input="Hi", stream=stream)
        assert {name: plain[name] for name in DEFAULTS} == DEFAULTS
        assert ask(nexus, input="Hi", service_tier="auto")["service_tier"] == "default", (
            "the service tier that was used"
        )


def test_a_truncated_answer_is_not_completed(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = serve(CLAUDE.config(anthropic_upstream, Path()))
    anthropic_upstream.next(Behaviour(stop_reason="max_tokens"))
    answer = ask(nexus, input="Hi")
    assert (answer["status"], answer["completed_at"]) == ("incomplete", None)
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}

"""Prompt cache breakpoints that Nexus adds for clients that send none, on the translated lanes to Claude only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.vendors import CONFIGS
from tests.serving import Nexus
from tools.fake_upstream import FakeUpstream

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
TALK: dict[str, Any] = {
    "model": "v/m",
    "tools": [TOOL],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Three"},
    ],
}
LANES = {
    "anthropic": ("anthropic", "claude-sonnet-4-5"),
    "bedrock": ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "vertex": ("vertex", "claude-sonnet-4-5"),
}

Place = tuple[Nexus, FakeUpstream]


@pytest.fixture
def place(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[Place]:
    vendor, model, more = request.param
    with FakeUpstream(vendor) as upstream:
        models = f'[llm.providers.v.models.m]\nrename = "{model}"\n{more}'
        yield serve(CONFIGS[vendor](upstream, tmp_path) + models), upstream


def marked(value: Any, path: str = "") -> Iterator[str]:
    """Where breakpoints are in the vendor's request."""
    if isinstance(value, dict):
        if "cache_control" in value:
            yield path
        for name, one in value.items():
            yield from marked(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from marked(one, f"{path}[{index}]")


ON = [(vendor, model, "auto_cache = true\n") for vendor, model in LANES.values()]


@pytest.mark.parametrize("place", ON, ids=LANES.keys(), indirect=True)
@pytest.mark.parametrize("stream", [False, True])
def test_four_breakpoints_are_set(place: Place, stream: bool) -> None:
    nexus, upstream = place
    reply = nexus.chat(TALK | {"stream": stream})
    assert reply.status == 200, reply.body
    assert reply.headers["x-nexus-auto-cache"] == "tools, system, messages[2], messages[4]"
    assert sorted(marked(upstream.requests[0].json)) == [
        "messages[2].content[0]",
        "messages[4].content[0]",
        "system[0]",
        "tools[0]",
    ]
    assert upstream.violations == []


@pytest.mark.parametrize("place", ON[:1], indirect=True)
def test_breakpoints_are_set_for_codex(place: Place) -> None:
    nexus, upstream = place
    reply = nexus.post("/llm/openai/v1/responses", {"model": "v/m", "instructions": "Be brief.", "input": "One"})
    assert reply.headers["x-nexus-auto-cache"] == "system, messages[0]"
    assert len(list(marked(upstream.requests[0].json))) == 2


@pytest.mark.parametrize("place", ON[:1], indirect=True)
def test_a_clients_own_breakpoints_are_kept(place: Place) -> None:
    nexus, upstream = place
    own = {"type": "text", "text": "One", "cache_control": {"type": "ephemeral"}}
    reply = nexus.chat(TALK | {"messages": [{"role": "user", "content": [own]}, *TALK["messages"][2:]]})
    assert "x-nexus-auto-cache" not in reply.headers
    assert list(marked(upstream.requests[0].json)) == ["messages[0].content[0]"]


@pytest.mark.parametrize("place", ON[:1], indirect=True)
def test_passthrough_bytes_do_not_change(place: Place) -> None:
    nexus, upstream = place
    body = {"model": "v/m", "max_tokens": 9, "messages": [{"role": "user", "content": "One"}]}
    reply = nexus.messages(body)
    assert "x-nexus-auto-cache" not in reply.headers
    assert upstream.requests[0].body == json.dumps(body).replace("v/m", "claude-sonnet-4-5").encode()


OFF = [("anthropic", "claude-sonnet-4-5", ""), ("gemini", "gemini-2.5-flash", "auto_cache = true\n")]


@pytest.mark.parametrize("place", OFF, ids=["off by default", "another vendor"], indirect=True)
def test_no_breakpoints_elsewhere(place: Place) -> None:
    nexus, upstream = place
    reply = nexus.chat(TALK)
    assert (reply.status, "x-nexus-auto-cache" in reply.headers) == (200, False)
    assert list(marked(upstream.requests[0].json)) == []

"""Errors about content name the client's own field and its position, in ``param`` and in the message."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.protocols.test_locations import TIFF
from tests.server.vendors import LANES, Lane, Stand
from tests.serving import PATHS, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

SAID = {"role": "user", "content": "hello"}
SYSTEM = {"role": "system", "content": "be kind"}
PICTURE = {"type": "image_url", "image_url": {"url": TIFF}}
RESPONSES_PICTURE = {"type": "input_image", "image_url": TIFF}

TRANSLATED = [lane for lane in LANES if lane.name in ("anthropic", "bedrock converse")]


@pytest.fixture(params=TRANSLATED, ids=lambda lane: lane.name)
def running(request: pytest.FixtureRequest, stand: Stand) -> Iterator[tuple[Lane, Nexus]]:
    standing = stand(request.param)
    yield standing.lane, standing.nexus
    assert standing.upstream.requests == []


def refused(nexus: Nexus, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = nexus.post(path, {"model": "v/m", **body})
    assert reply.status == 400, reply.body
    error: dict[str, Any] = reply.json["error"]
    return error


LOOK = {"role": "user", "content": [{"type": "text", "text": "look"}, PICTURE]}
RESPONSES_LOOK = {"role": "user", "content": [{"type": "input_text", "text": "look"}, RESPONSES_PICTURE]}
PLACED: dict[str, tuple[str, dict[str, Any]]] = {
    "messages.3.content.1": (PATHS["chat"], {"messages": [SYSTEM, SAID, {"role": "assistant", "content": "?"}, LOOK]}),
    "input.2.content.1": (
        PATHS["responses"],
        {"input": [{"role": "developer", "content": "be kind"}, SAID, RESPONSES_LOOK]},
    ),
}


@pytest.mark.parametrize("place", PLACED)
def test_the_place_of_what_cannot_be_carried_is_named(running: tuple[Lane, Nexus], place: str) -> None:
    error = refused(running[1], *PLACED[place])
    assert error["param"] == place
    assert error["message"].startswith(f"{place}: ")


PARAMS = {
    "a knob": ("temperature", "temperature"),
    "a field with another name": ("max_completion_tokens", "max_output_tokens"),
    "nested": ("response_format", "text"),
    "the conversation": ("messages.[3].content", "input"),
    "a tool": ("tools[0].function.parameters", "tools"),
    "a field that the client does not know": ("logit_bias", None),
    "no field": (None, None),
    "no name": ("", None),
}


@pytest.mark.parametrize(("vendors", "clients"), PARAMS.values(), ids=list(PARAMS))
def test_a_vendors_own_param_is_kept(
    serve: Serve, openai_upstream: FakeUpstream, tmp_path: Path, vendors: str | None, clients: str | None
) -> None:
    lane = Lane("compatible", "openai", "gpt-5", "chat")
    nexus = serve(lane.config(openai_upstream, tmp_path).replace("models.m", "responses = false\nmodels.m"))
    body = {"error": {"message": "the vendor's words", "type": "invalid_request_error", "param": vendors, "code": None}}
    openai_upstream.next(Behaviour(status=400, body=json.dumps(body).encode()))
    error = refused(nexus, "/llm/openai/v1/responses", {"input": "hi", "reasoning": {"effort": "low"}})
    assert (error["message"], error["param"]) == ("the vendor's words", clients)

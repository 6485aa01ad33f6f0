"""A vendor's error that names one of its own fields names the client's field to the client."""

import json
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.server.vendors import Lane
from tests.serving import PATHS
from tools.fake_upstream import Behaviour, FakeUpstream

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
def test_a_vendors_param_becomes_the_clients_field(
    serve: Serve, openai_upstream: FakeUpstream, tmp_path: Path, vendors: str | None, clients: str | None
) -> None:
    lane = Lane("compatible", "openai", "gpt-5", "chat")
    nexus = serve(lane.config(openai_upstream, tmp_path).replace("models.m", "responses = false\nmodels.m"))
    body = {"error": {"message": "the vendor's words", "type": "invalid_request_error", "param": vendors, "code": None}}
    openai_upstream.next(Behaviour(status=400, body=json.dumps(body).encode()))
    reply = nexus.post(PATHS["responses"], {"model": "v/m", "input": "hi", "reasoning": {"effort": "low"}})
    error = reply.json["error"]
    assert (reply.status, error["message"], error["param"]) == (400, "the vendor's words", clients)

"""Codex's request in every vendor's dialect, and every vendor's calls as Codex gets them.

The other tests of each dialect check what is written; here nothing may be lost or rejected.
"""

import json
from pathlib import Path

import pytest

from nexus.conversation.events import Event
from nexus.protocols import loader
from nexus.protocols.codec import AnswerOrigin, Target
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.sse import FrameDecoder

from .kit import told
from .test_read_request import CODEX

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.parametrize("dialect", ["chat", "messages", "gemini", "converse"])
def test_codexs_request_reaches_every_dialect(dialect: str) -> None:
    written = loader.vendor(dialect).write_request(read_request(CODEX).request, Target("some-model"))
    sent = json.dumps(written.body)
    for kept in ("rules", "now hurry", "I will.", "*** Begin", "a.txt", "AA==", "start: x"):
        assert kept in sent
    for name in ("exec_command", "apply_patch", "multi_agent_v1__spawn_agent"):
        assert sent.count(name) >= 2, "a definition and a call"


@pytest.mark.parametrize(
    ("fixture", "calls"),
    [
        ("chat/interleaved-tools", 2),
        ("chat/google-signatures", 1),
        ("messages/thinking_and_tools", 2),
        ("gemini/tools", 3),
        ("gemini/tools_without_ids", 2),
    ],
)
def test_calls_of_every_dialect_reach_codex(fixture: str, calls: int) -> None:
    request = read_request(CODEX).request
    ids = iter(f"call_{number}" for number in range(9))
    reader = loader.vendor(fixture.split("/")[0]).stream_reader(AnswerOrigin(request, "resp_1", "m", lambda: next(ids)))
    events: list[Event] = []
    for frame in FrameDecoder().feed((FIXTURES / fixture / "upstream.sse").read_bytes()):
        if frame.data is not None:
            events += reader.feed(frame.event, frame.data)
    documents = told([*events, *reader.finish()], request)
    assert documents[-1]["type"] == "response.completed"
    items = [event["item"] for event in documents if event["type"] == "response.output_item.done"]
    assert items == documents[-1]["response"]["output"]
    assert [item["type"] for item in items].count("function_call") == calls

"""pi, a coding agent with all three protocols, in the role of a chat agent; and how it uses the other two.

Tests check the program's effects on disk, its view in its output, and the model's view at the vendor.
"""

import json
from dataclasses import replace

import pytest

from tests.programs.conftest import DONE, OpenRoom, Room, arguments
from tests.programs.kit import KEY
from tests.programs.lanes import ANTHROPIC, CONVERSE, GEMINI_3, OPENAI, ProgramLane, found
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

THOUGHT = "Let me think about that."
APIS = ("openai-completions", "openai-responses", "anthropic-messages")


def pi(room: Room, api: str, *words: str) -> str:
    """``--continue`` resumes the last conversation."""
    folder = room.desk.home / ".pi/agent"
    folder.mkdir(parents=True, exist_ok=True)
    model = {"id": "v/m", "reasoning": True, "contextWindow": 100_000, "maxTokens": 8192}
    base = room.nexus.anthropic if api == "anthropic-messages" else room.nexus.openai
    provider = {"baseUrl": base, "apiKey": KEY, "api": api, "models": [model]}
    (folder / "models.json").write_text(json.dumps({"providers": {"nexus": provider}}))
    return room.desk.run("pi", ["-p", "--provider", "nexus", "--model", "v/m", *words], {"PI_OFFLINE": "1"})


# Newer ones bind their thinking to fields that chat clients do not send back.
CLAUDE_4_5 = replace(ANTHROPIC, model="claude-sonnet-4-5")
SESSIONS = [
    *(("openai-completions", lane) for lane in (OPENAI, CLAUDE_4_5, GEMINI_3, CONVERSE)),
    *(("openai-responses", lane) for lane in (ANTHROPIC, GEMINI_3)),
    *(("anthropic-messages", lane) for lane in (OPENAI, GEMINI_3)),
]


@pytest.mark.parametrize(("api", "lane"), SESSIONS, ids=lambda value: getattr(value, "name", value))
def test_a_session(api: str, lane: ProgramLane, open_room: OpenRoom) -> None:
    """Two tools in parallel after thinking, and a second turn."""
    room = open_room(lane)
    write = Call("write", arguments(path="written.txt", content="by a tool"))
    shell = Call("bash", arguments(command="echo said by the shell"))
    room.upstream.next(Behaviour(parts=(lane.thinking(THOUGHT), write, shell)), Behaviour(text="First."))
    assert pi(room, api, "Go on.").strip() == "First."
    assert (room.work / "written.txt").read_text() == "by a tool"
    assert pi(room, api, "--continue", "And now?").strip() == DONE
    for number in (1, 2):
        results = found(room.body(number), lane.result)
        assert len(results) == 2 and "said by the shell" in results[1]
    assert bool(found(room.body(2), lane.thought(THOUGHT))) == lane.returns
    assert "First." in json.dumps(room.body(2)) and "And now?" in json.dumps(room.body(2))


@pytest.mark.parametrize("api", APIS)
def test_a_vendors_message_arrives(api: str, open_room: OpenRoom) -> None:
    room = open_room(GEMINI_3)
    room.upstream.default = Behaviour(status=400, message="the vendor says no")
    assert "the vendor says no" in pi(room, api, "Hello?")

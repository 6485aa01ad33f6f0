"""Gemini CLI with any vendor: only a base URL and a key tell it where to connect.

Tests check the program's effects on disk, its view in its output, and the model's view at the vendor.
"""

import json
from dataclasses import replace

import pytest

from tests.docs.pages import DOCS, snippets_of
from tests.programs.conftest import DONE, OpenRoom, arguments
from tests.programs.lanes import ANTHROPIC, EVERY, GEMINI, GEMINI_3, RESPONSES, ProgramLane, found
from tests.programs.test_claude_code import GATE
from tests.serving import ALICE
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

THOUGHT = "Let me think about that."

# The program sets a temperature, which the current published types no longer contain for older Claude models.
_NEWER = {"vertex claude": "claude-opus-4-8", "bedrock claude": "us.anthropic.claude-opus-4-8"}
LANES = [replace(lane, model=_NEWER.get(lane.name, lane.model)) for lane in (*EVERY, GEMINI_3, RESPONSES)]


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_session(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Two tools in parallel after thinking, which the program itself does not send back."""
    room = open_room(lane)
    write = Call("write_file", arguments(file_path=str(room.work / "written.txt"), content="by a tool"))
    shell = Call("run_shell_command", arguments(command="echo said by the shell", description="says so"))
    room.upstream.next(Behaviour(parts=(lane.thinking(THOUGHT), write, shell)))
    said = room.desk.gemini(room.nexus, "-p", "Go on.", "--output-format", "json")
    answer = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert answer["response"] == DONE
    assert (room.work / "written.txt").read_text() == "by a tool"
    results = found(room.body(1), lane.result)
    assert len(results) == 2 and "said by the shell" in results[1]
    assert bool(found(room.body(1), lane.thought(THOUGHT))) == lane.returns
    assert len(room.upstream.requests) == 2


@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_a_gateway_key_is_accepted(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, GATE)
    assert room.desk.gemini(room.nexus, "-p", "Hello?", key=ALICE).strip().endswith(DONE)
    assert ALICE not in str(room.upstream.requests)


@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_a_vendors_message_arrives(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane)
    room.upstream.default = Behaviour(status=400, message="the vendor says no")
    assert "the vendor says no" in room.desk.gemini(room.nexus, "-p", "Hello?")


def test_its_web_search_ends(open_room: OpenRoom) -> None:
    """With the names of the page: the search is a call of one of them, and a missing one is called without end."""
    page = next(one.text for one in snippets_of(DOCS / "gemini-format.rst") if "expose_as" in one.text)
    room = open_room(ANTHROPIC, f"models.m.{page.splitlines()[-1]}\n")
    room.upstream.next(Behaviour(parts=(Call("google_web_search", arguments(query="gateways")),)))
    assert room.desk.gemini(room.nexus, "-p", "Search.").strip().endswith(DONE)
    assert "Error" in found(room.body(1), ANTHROPIC.result)[0]

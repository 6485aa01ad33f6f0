"""Claude Code at work on any vendor: tools really run, images arrive, subagents answer, thinking comes and goes back.

What the program did is read off the disk, what it was told off its output, what it told the model off the vendor.
"""

from __future__ import annotations

import pytest

from tests.programs.conftest import DONE, OpenRoom, arguments
from tests.programs.kit import KEY
from tests.programs.lanes import ANTHROPIC, EVERY, GEMINI, GPTS, OPENAI, THINKERS, ProgramLane, found
from tests.programs.sessions import TOOLS, claude_code_session
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

COUNTED = 14
"""Requests that /context makes to have its parts counted, or more."""


@pytest.mark.parametrize("lane", THINKERS, ids=lambda lane: lane.name)
def test_a_session(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Three tools at once behind some thinking, one of them reading an image; then a subagent; then the answer."""
    claude_code_session(open_room(lane))


OFF = {
    "gpt-5.5": "none",
    "gpt-5.6-sol": "none",
    "gpt-6-astra": "low",
    "gpt-6-sol": "none",
}
"""The least that each model thinks."""


@pytest.mark.parametrize("lane", GPTS, ids=lambda lane: lane.name)
def test_thinking_switched_off_is_not_the_hardest(lane: ProgramLane, open_room: OpenRoom) -> None:
    """It then sends an effort and no ``thinking``."""
    room = open_room(lane)
    shell = Call("Bash", arguments(command="echo ran > ran.txt", description="says so"))
    room.upstream.next(Behaviour(parts=(shell,)))
    environment = {"ANTHROPIC_AUTH_TOKEN": KEY, "MAX_THINKING_TOKENS": "0"}
    assert DONE in room.desk.claude(room.nexus, "Go on.", *TOOLS, environment=environment)
    assert (room.work / "ran.txt").exists()
    efforts = [(room.body(number).get("reasoning") or {}).get("effort") for number in range(2)]
    assert efforts == [OFF[lane.model]] * 2


@pytest.mark.parametrize("lane", EVERY, ids=lambda lane: lane.name)
def test_context_is_counted(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Whether the vendor counts or not: no answer of a model is needed for it."""
    room = open_room(lane)
    said = room.desk.claude(room.nexus, "/context")
    assert "## Context Usage" in said and "Messages" in said
    assert not any(request.streams for request in room.upstream.requests)


def test_context_where_the_vendor_cannot_count(open_room: OpenRoom) -> None:
    """As with servers that have chat completions only: Nexus estimates, and the program gets figures all the same."""
    room = open_room(OPENAI)
    room.upstream.default = Behaviour(status=404)
    said = room.desk.claude(room.nexus, "/context")
    assert "System tools" in said
    assert {request.route for request in room.upstream.requests} == {"/v1/responses/input_tokens"}
    assert len(room.upstream.requests) >= COUNTED


GATE = """
[server.keys.alice]
key = "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"
"""
ALICE = "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"


@pytest.mark.parametrize(
    "environment",
    [
        {"ANTHROPIC_AUTH_TOKEN": ALICE},
        {"ANTHROPIC_API_KEY": ALICE},
        {"ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_CUSTOM_HEADERS": f"x-nexus-key: {ALICE}"},
    ],
    ids=["token", "key", "header"],
)
def test_a_gateway_key_goes_wherever_the_program_can_put_it(environment: dict[str, str], open_room: OpenRoom) -> None:
    room = open_room(ANTHROPIC, GATE)
    assert room.desk.claude(room.nexus, "Hello?", environment=environment).strip() == DONE
    assert ALICE not in str(room.upstream.requests)


def test_a_stranger_is_told_so(open_room: OpenRoom) -> None:
    room = open_room(ANTHROPIC, GATE)
    alone = {"ANTHROPIC_AUTH_TOKEN": KEY, "CLAUDE_CODE_MAX_RETRIES": "0"}
    assert "401" in room.desk.claude(room.nexus, "Hello?", environment=alone)
    assert room.upstream.requests == []


def test_a_model_that_stands_in_no_file_is_told_by_name(open_room: OpenRoom) -> None:
    room = open_room(GEMINI)
    said = room.desk.claude(room.nexus, "Hello?", model="v/n", environment={"ANTHROPIC_AUTH_TOKEN": KEY})
    assert "v/n" in said and DONE not in said


def test_the_web_is_searched_by_the_vendor_where_that_is_configured(open_room: OpenRoom) -> None:
    """WebSearch is a request of its own, with nothing but Anthropic's search in it."""
    room = open_room(GEMINI, "models.m.web_search = true\n")
    search = Call("WebSearch", arguments(query="tornado gateway"))
    room.upstream.next(Behaviour(parts=(search,)), Behaviour(text="Found: it is a gateway."))
    assert DONE in room.desk.claude(room.nexus, "Look it up.", "--allowedTools", "WebSearch")
    assert room.body(1)["tools"] == [{"googleSearch": {}}]
    assert "Found: it is a gateway." in found(room.body(2), room.lane.result)[0]


def test_elsewhere_the_model_is_told_that_it_cannot_be_searched(open_room: OpenRoom) -> None:
    room = open_room(OPENAI)
    room.upstream.next(Behaviour(parts=(Call("WebSearch", arguments(query="tornado gateway")),)))
    assert DONE in room.desk.claude(room.nexus, "Look it up.", "--allowedTools", "WebSearch")
    assert "web_search_20250305 runs at its own vendor only" in found(room.body(1), room.lane.result)[0]

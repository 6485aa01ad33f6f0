"""Claude Code with any vendor: tools really run, images arrive, subagents answer, thinking is returned and sent back.

Tests check the program's effects on disk, its view in its output, and the model's view at the vendor.
"""

import pytest

from tests.programs.conftest import DONE, OpenRoom, arguments
from tests.programs.kit import KEY
from tests.programs.lanes import ANTHROPIC, EVERY, GEMINI, GPTS, OPENAI, THINKERS, ProgramLane, found
from tests.programs.sessions import TOOLS, claude_code_session
from tests.serving import ALICE
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

COUNTED = 14
"""Minimum number of counting requests that /context makes."""


@pytest.mark.parametrize("lane", THINKERS, ids=lambda lane: lane.name)
def test_a_session(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Three tools in parallel after thinking, one of them reading an image; then a subagent; then the answer."""
    claude_code_session(open_room(lane))


OFF = {"gpt-5.5": "none", "gpt-5.6-sol": "none", "gpt-6-astra": "low", "gpt-6-sol": "none"}
"""The least that each model thinks."""


@pytest.mark.parametrize("lane", GPTS, ids=lambda lane: lane.name)
def test_thinking_switched_off_does_not_become_the_highest_effort(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Claude Code then sends an effort and no ``thinking``."""
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
    """Whether the vendor can count or not: no model answer is needed."""
    room = open_room(lane)
    said = room.desk.claude(room.nexus, "/context")
    assert "## Context Usage" in said and "Messages" in said
    assert not any(request.streams for request in room.upstream.requests)


def test_context_where_the_vendor_cannot_count(open_room: OpenRoom) -> None:
    """As with servers that only have chat completions: Nexus estimates, so the program still gets counts."""
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


@pytest.mark.parametrize(
    "environment",
    [
        {"ANTHROPIC_AUTH_TOKEN": ALICE},
        {"ANTHROPIC_API_KEY": ALICE},
        {"ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_CUSTOM_HEADERS": f"x-nexus-key: {ALICE}"},
    ],
    ids=["token", "key", "header"],
)
def test_a_gateway_key_is_accepted_wherever_the_program_can_send_it(
    environment: dict[str, str], open_room: OpenRoom
) -> None:
    room = open_room(ANTHROPIC, GATE)
    assert room.desk.claude(room.nexus, "Hello?", environment=environment).strip() == DONE
    assert ALICE not in str(room.upstream.requests)


def test_an_invalid_key_is_reported(open_room: OpenRoom) -> None:
    room = open_room(ANTHROPIC, GATE)
    assert "401 invalid gateway key" in room.desk.claude(room.nexus, "Hello?")
    assert room.upstream.requests == []


def test_a_key_that_the_vendor_refuses_is_reported(open_room: OpenRoom) -> None:
    room = open_room(GEMINI)
    room.upstream.default = Behaviour(status=401, message="invalid vendor key")
    assert "401 invalid vendor key" in room.desk.claude(room.nexus, "Hello?")
    assert len(room.upstream.requests) == 1


def test_an_unknown_model_is_reported_by_name(open_room: OpenRoom) -> None:
    room = open_room(GEMINI)
    said = room.desk.claude(room.nexus, "Hello?", model="v/n", environment={"ANTHROPIC_AUTH_TOKEN": KEY})
    assert "v/n" in said and DONE not in said


def test_the_vendor_searches_the_web_if_configured(open_room: OpenRoom) -> None:
    """WebSearch is a separate request that contains only Anthropic's search tool."""
    room = open_room(GEMINI, "models.m.web_search = true\n")
    search = Call("WebSearch", arguments(query="tornado gateway"))
    room.upstream.next(Behaviour(parts=(search,)), Behaviour(text="Found: it is a gateway."))
    assert DONE in room.desk.claude(room.nexus, "Look it up.", "--allowedTools", "WebSearch")
    assert room.body(1)["tools"] == [{"googleSearch": {}}]
    assert "Found: it is a gateway." in found(room.body(2), room.lane.result)[0]


def test_without_it_the_model_is_told_that_search_is_unavailable(open_room: OpenRoom) -> None:
    room = open_room(OPENAI)
    room.upstream.next(Behaviour(parts=(Call("WebSearch", arguments(query="tornado gateway")),)))
    assert DONE in room.desk.claude(room.nexus, "Look it up.", "--allowedTools", "WebSearch")
    assert "web_search_20250305 runs at its own vendor only" in found(room.body(1), room.lane.result)[0]

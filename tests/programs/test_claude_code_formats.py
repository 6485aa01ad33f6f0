"""Claude Code configured for Vertex AI or Bedrock, with any vendor.

Only the environment variables that an enterprise sets tell the program where to connect.
"""

import pytest

from tests.programs.conftest import DONE, OpenRoom
from tests.programs.lanes import ANTHROPIC, EVERY, GEMINI, RESPONSES, ProgramLane
from tests.programs.sessions import claude_code_session
from tests.programs.test_claude_code import GATE
from tests.serving import ALICE, Nexus
from tools.fake_upstream import Behaviour

pytestmark = pytest.mark.slow


def vertex(nexus: Nexus) -> dict[str, str]:
    return {
        "CLAUDE_CODE_USE_VERTEX": "1",
        "ANTHROPIC_VERTEX_BASE_URL": f"{nexus.base}/llm/vertex/v1",
        "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1",
        "ANTHROPIC_VERTEX_PROJECT_ID": "house",
        "CLOUD_ML_REGION": "eu",
    }


def bedrock(nexus: Nexus) -> dict[str, str]:
    return {
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "ANTHROPIC_BEDROCK_BASE_URL": f"{nexus.base}/llm/bedrock",
        "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
        "AWS_REGION": "eu-west-1",
    }


PLACES = {"vertex": vertex, "bedrock": bedrock}


KEYS = {"vertex": "ANTHROPIC_AUTH_TOKEN", "bedrock": "AWS_BEARER_TOKEN_BEDROCK"}


@pytest.mark.parametrize("format", PLACES)
@pytest.mark.parametrize("lane", [*EVERY, RESPONSES], ids=lambda lane: lane.name)
def test_a_session(format: str, lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane)
    claude_code_session(room, place=PLACES[format](room.nexus))


@pytest.mark.parametrize("format", PLACES)
@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_a_gateway_key_is_accepted(format: str, lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, GATE)
    key = {KEYS[format]: ALICE}
    said = room.desk.claude(room.nexus, "Hello?", environment=key, place=PLACES[format](room.nexus))
    assert said.strip() == DONE
    assert ALICE not in str(room.upstream.requests)


@pytest.mark.parametrize("format", PLACES)
@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_context_is_counted(format: str, lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane)
    assert "## Context Usage" in room.desk.claude(room.nexus, "/context", place=PLACES[format](room.nexus))


@pytest.mark.parametrize("format", PLACES)
@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI, RESPONSES], ids=lambda lane: lane.name)
def test_a_broken_stream_is_retried(format: str, lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane)
    room.upstream.next(Behaviour(cut_after=2))
    assert DONE in room.desk.claude(room.nexus, "Hello?", place=PLACES[format](room.nexus))

"""The oldest supported versions: one session each, on passthrough and translation."""

import pytest

from tests.programs.conftest import OpenRoom
from tests.programs.kit import OLDEST
from tests.programs.lanes import ANTHROPIC, BEDROCK_CLAUDE, GEMINI_3, OPENAI, RESPONSES, ProgramLane
from tests.programs.sessions import claude_code_session, codex_session

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("lane", [ANTHROPIC, BEDROCK_CLAUDE, OPENAI], ids=lambda lane: lane.name)
def test_a_session_of_the_oldest_claude_code(lane: ProgramLane, open_room: OpenRoom) -> None:
    claude_code_session(open_room(lane, programs=OLDEST))


@pytest.mark.parametrize("lane", [RESPONSES, ANTHROPIC, GEMINI_3], ids=lambda lane: lane.name)
def test_a_session_of_the_oldest_codex(lane: ProgramLane, open_room: OpenRoom) -> None:
    codex_session(open_room(lane, programs=OLDEST))

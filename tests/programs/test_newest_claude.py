"""The newest Claude Code with the newest names of Claude, on hosts that are not Anthropic and refuse what they lack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.programs.conftest import OpenRoom
from tests.programs.lanes import BEDROCK_CLAUDE, VERTEX_CLAUDE, ProgramLane
from tests.programs.sessions import claude_code_session

pytestmark = pytest.mark.slow

NAMES = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-1")
LANES = [
    *(replace(BEDROCK_CLAUDE, name=f"bedrock {name}", model=f"us.anthropic.{name}") for name in NAMES),
    *(replace(VERTEX_CLAUDE, name=f"vertex {name}", model=name) for name in NAMES),
]


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_session(lane: ProgramLane, open_room: OpenRoom) -> None:
    """By its own name, so that the program sends all that it has for it."""
    name = lane.name.partition(" ")[2]
    claude_code_session(open_room(lane, f'[llm.providers.v.models."{name}"]\nrename = "{lane.model}"\n'), f"v/{name}")

"""The newest Claude Code with the newest Claude models, on hosts other than Anthropic, which reject what they do not
support.
"""

import json
from dataclasses import replace

import pytest

from tests.programs.conftest import DONE, OpenRoom
from tests.programs.lanes import BEDROCK_CLAUDE, VERTEX_CLAUDE, ProgramLane
from tests.programs.sessions import EVENTS, claude_code_session
from tools.fake_upstream import Behaviour

pytestmark = pytest.mark.slow

NAMES = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-1")
LANES = [
    *(replace(BEDROCK_CLAUDE, name=f"bedrock {name}", model=f"us.anthropic.{name}") for name in NAMES),
    *(replace(VERTEX_CLAUDE, name=f"vertex {name}", model=name) for name in NAMES),
]


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_session(lane: ProgramLane, open_room: OpenRoom) -> None:
    """With the model's own name, so that the program uses every feature it has for it."""
    name = lane.name.partition(" ")[2]
    claude_code_session(open_room(lane, f'[llm.providers.v.models."{name}"]\nrename = "{lane.model}"\n'), f"v/{name}")


HELD = {"bedrock claude-opus-5-5": False, "bedrock claude-haiku-5-5": False, "vertex claude-opus-5-5": True}
"""Whether the host enforces a format."""
HOOK = {"hooks": {"Stop": [{"hooks": [{"type": "prompt", "prompt": "Is that all? $ARGUMENTS"}]}]}}


@pytest.mark.parametrize("lane", [lane for lane in LANES if lane.name in HELD], ids=lambda lane: lane.name)
def test_the_program_omits_a_format_that_the_host_does_not_support(lane: ProgramLane, open_room: OpenRoom) -> None:
    """A hook that asks the model wants JSON; rejected with the vendor's message, the program retries without
    a format.
    """
    name = lane.name.partition(" ")[2]
    room = open_room(lane, f'[llm.providers.v.models."{name}"]\nrename = "{lane.model}"\n')
    folder = room.work / ".claude"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(HOOK))
    room.upstream.next(Behaviour(text=DONE), Behaviour(text='{"ok": true}'))
    said = room.desk.claude(room.nexus, "Go on.", *EVENTS, model=f"v/{name}")
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert events[-1]["result"] == DONE and not events[-1]["is_error"]
    assert len(room.upstream.requests) == 2, said
    assert "Is that all?" in json.dumps(room.body(1)["messages"])
    assert ("format" in room.body(1).get("output_config", {})) is HELD[lane.name]

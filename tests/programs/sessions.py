"""One complete session of each program, for any lane and any version of the program."""

import json

from tests.programs.conftest import DONE, Room, arguments
from tests.programs.lanes import found
from tools.fake_upstream import Behaviour, Call

TOOLS = ("--allowedTools", "Write,Bash,Read,Agent", "--permission-mode", "acceptEdits")
EVENTS = ("--output-format", "stream-json", "--verbose")
THOUGHT = "Let me think about that."


def claude_code_session(room: Room, model: str = "v/m", place: dict[str, str] | None = None) -> None:
    """Three tools in parallel after thinking, one of them reading an image; then a subagent; then the answer."""
    image, data = room.picture()
    write = Call("Write", arguments(file_path=str(room.work / "written.txt"), content="by a tool"))
    shell = Call("Bash", arguments(command="echo ran > ran.txt; echo said by the shell", description="says so"))
    read = Call("Read", arguments(file_path=str(image)))
    agent = Call(
        "Agent",
        arguments(
            description="counts", prompt="Count it all.", subagent_type="general-purpose", run_in_background=False
        ),
    )
    room.upstream.next(
        Behaviour(parts=(room.lane.thinking(THOUGHT), write, shell, read)),
        Behaviour(parts=(agent,)),
        Behaviour(text="The subagent counted seven."),
    )
    said = room.desk.claude(room.nexus, "Go on.", *TOOLS, *EVENTS, model=model, place=place)
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    assert events[-1]["result"] == DONE and not events[-1]["is_error"]
    assert found(events, {"type": "thinking", "thinking": THOUGHT})
    assert (room.work / "written.txt").read_text().strip() == "by a tool"
    assert (room.work / "ran.txt").read_text().strip() == "ran"
    results = found(room.body(1), room.lane.result)
    assert len(results) == 3 and "said by the shell" in results[1]
    assert len(found(room.body(1), room.lane.image(data))) == 1
    assert bool(found(room.body(1), room.lane.thought(THOUGHT))) == room.lane.returns
    assert "Count it all." in json.dumps(room.body(2)) and "Go on." not in json.dumps(room.body(2))
    assert "The subagent counted seven." in found(room.body(3), room.lane.result)[-1]
    assert len(room.upstream.requests) == 4


def codex_session(room: Room, model: str = "v/m") -> None:
    """An image is attached; then three tools in parallel after thinking, one of them viewing an image."""
    image, data = room.picture()
    write = Call("exec_command", arguments(cmd="echo by a tool > written.txt"))
    shell = Call("exec_command", arguments(cmd="echo said by the shell"))
    look = Call("view_image", arguments(path=str(image)))
    room.upstream.next(Behaviour(parts=(room.lane.thinking(THOUGHT), write, shell, look)))
    said = room.desk.codex(room.nexus, "--json", "Go on.", "-i", str(image), model=model)
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    assert found(events, {"type": "agent_message", "text": DONE})
    assert found(events, {"type": "reasoning", "text": THOUGHT})
    assert events[-1]["type"] == "turn.completed"
    assert (room.work / "written.txt").read_text().strip() == "by a tool"
    assert len(found(room.body(0), room.lane.image(data))) == 1
    results = found(room.body(1), room.lane.result)
    assert len(results) == 3 and "said by the shell" in results[1]
    assert len(found(room.body(1), room.lane.image(data))) == 2
    assert bool(found(room.body(1), room.lane.thought(THOUGHT))) == room.lane.returns
    assert len(room.upstream.requests) == 2

"""Claude Code and Codex do their work through Nexus on any vendor: tools really run, trouble is survived or told.

Law: the fakes stay strict; ``violations`` is empty whatever the programs send.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.programs.kit import Desk
from tests.server.vendors import LANES, Lane
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

DONE = "All done: forty-two."


@dataclass
class Room:
    """A vendor, Nexus before it, and a desk to work at."""

    upstream: FakeUpstream
    nexus: Nexus
    desk: Desk

    @property
    def work(self) -> Path:
        return self.desk.work


@pytest.fixture(params=LANES, ids=lambda lane: lane.name)
def room(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[Room]:
    lane: Lane = request.param
    desk = Desk(tmp_path / "work", tmp_path / "home")
    desk.work.mkdir()
    desk.home.mkdir()
    with FakeUpstream(lane.vendor) as upstream:
        upstream.default = Behaviour(text=DONE)
        yield Room(upstream, serve(lane.config(upstream, tmp_path)), desk)
        assert upstream.violations == []


def test_claude_code_runs_two_tools_at_once(room: Room) -> None:
    write = json.dumps({"file_path": str(room.work / "written.txt"), "content": "by a tool"})
    shell = json.dumps({"command": f"echo ran > {room.work}/ran.txt", "description": "says so"})
    room.upstream.next(Behaviour(tool_calls=(("Write", write), ("Bash", shell))))
    flags = ("--allowedTools", "Write,Bash", "--permission-mode", "acceptEdits")
    said = room.desk.claude(room.nexus, "Write the file.", *flags)
    assert DONE in said
    assert (room.work / "written.txt").read_text().strip() == "by a tool"
    assert (room.work / "ran.txt").read_text().strip() == "ran"


def test_claude_code_waits_and_tries_again_after_a_429(room: Room) -> None:
    busy = Behaviour(status=429, headers=(("retry-after", "1"),))
    room.upstream.next(busy, busy)
    assert DONE in room.desk.claude(room.nexus, "Hello?")


def test_claude_code_never_takes_a_cut_answer_for_a_whole_one(room: Room) -> None:
    cut = Behaviour(cut_after=3, text="cut short " * 50)
    room.upstream.next(cut, cut)
    said = room.desk.claude(room.nexus, "Hello?")
    assert DONE in said or "API Error" in said


def test_codex_runs_a_command(room: Room) -> None:
    command = json.dumps({"cmd": f"echo ran > {room.work}/ran.txt"})
    room.upstream.next(Behaviour(tool_calls=(("exec_command", command),)))
    said = room.desk.codex(room.nexus, "Run it.")
    assert DONE in said
    assert (room.work / "ran.txt").read_text().strip() == "ran"

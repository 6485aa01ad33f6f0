"""The Vercel AI SDK in front of every vendor: conversations of several turns with tools, by all three protocols.

Tests check tool effects on disk, the application's view in its output, and the model's view at the vendor. With the
newest version and the oldest supported one.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.programs.conftest import DONE, ONE_TRY, OpenRoom, Room, arguments
from tests.programs.kit import NEWEST, OLDEST, path_of
from tests.programs.lanes import (
    ANTHROPIC,
    BEDROCK_CLAUDE,
    CONVERSE,
    GEMINI,
    GEMINI_3,
    GPT_OSS,
    OPENAI,
    RESPONSES,
    ProgramLane,
    found,
)
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "ai_sdk.mjs"
THOUGHT = "Let me think about that."
LANES = [OPENAI, ANTHROPIC, GEMINI_3, BEDROCK_CLAUDE, CONVERSE, GPT_OSS]
STORE = "[server.response_store]\n"


def chat(room: Room, *turns: str, protocol: str = "responses", modules: Path = NEWEST, **more: Any) -> list[Any]:
    """The result of each turn, and finally the history as the application keeps it."""
    path_of("node", NEWEST)
    base = f"{room.nexus.anthropic}/v1" if protocol == "anthropic" else room.nexus.openai
    asked = {"protocol": protocol, "base": base, "turns": turns, "model": "v/m", "stream": True, **more}
    if not (modules / "ai").exists():
        path_of("ai", modules)
    said = room.desk.run("node", [str(SCRIPT)], {"ASK": json.dumps(asked), "MODULES": str(modules)})
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert len(lines) == len(turns) + 1, said
    return lines


def write(name: str) -> Call:
    return Call("write", arguments(path=name, text="by a tool"))


CONVERSATIONS = [*((lane, NEWEST) for lane in LANES), (ANTHROPIC, OLDEST), (GEMINI_3, OLDEST)]


@pytest.mark.parametrize(
    ("lane", "modules"),
    CONVERSATIONS,
    ids=lambda value: "oldest" if value == OLDEST else getattr(value, "name", "newest"),
)
def test_a_conversation(lane: ProgramLane, modules: Path, open_room: OpenRoom) -> None:
    """The SDK refers to the text and thinking of earlier turns by their ids."""
    room = open_room(lane)
    room.upstream.next(
        Behaviour(parts=(lane.thinking(THOUGHT), write("a.txt"), write("b.txt"))), Behaviour(text="First.")
    )
    *turns, _ = chat(room, "Write.", "And now?", "Really?", tools=["write"], modules=modules)
    assert [turn["text"] for turn in turns] == ["First.", DONE, DONE]
    assert [turn["finish"] for turn in turns] == ["stop"] * 3
    assert {(room.work / name).read_text() for name in ("a.txt", "b.txt")} == {"by a tool"}
    last = room.body(3)
    assert len(found(last, lane.result)) == 2 and "wrote a.txt" in json.dumps(last)
    assert bool(found(last, lane.thought(THOUGHT))) == lane.returns
    for said in ("Write.", "First.", "And now?", DONE, "Really?"):
        assert said in json.dumps(last)
    assert len(room.upstream.requests) == 4


@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI_3, OPENAI], ids=lambda lane: lane.name)
@pytest.mark.parametrize("protocol", ["chat", "anthropic"])
def test_its_other_protocols_work_too(lane: ProgramLane, protocol: str, open_room: OpenRoom) -> None:
    room = open_room(lane)
    room.upstream.next(Behaviour(parts=(write("a.txt"),)), Behaviour(text="First."))
    *turns, _ = chat(room, "Write.", "And now?", tools=["write"], protocol=protocol)
    assert [turn["text"] for turn in turns] == ["First.", DONE]
    assert (room.work / "a.txt").read_text() == "by a tool"
    assert len(found(room.body(2), lane.result)) == 1


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
def test_geminis_signatures_are_sent_back_through_its_chat_protocol(stream: bool, open_room: OpenRoom) -> None:
    """The SDK has no field for them, so they are stored in the ids of the calls."""
    room = open_room(GEMINI_3)
    room.upstream.next(Behaviour(parts=(GEMINI_3.thinking(THOUGHT), write("a.txt"))))
    chat(room, "Write.", tools=["write"], protocol="chat", stream=stream)
    assert found(room.body(1), GEMINI_3.thought(THOUGHT))


PATCH = arguments(type="create_file", path="patched.txt", diff="+by a patch")
RUN = {
    "shell": ("responses", Call("shell", json.dumps({"commands": ["echo ran > ran.txt; echo seen"]})), "ran.txt"),
    "local_shell": (
        "responses",
        Call("local_shell", json.dumps({"command": ["sh", "-c", "echo ran > ran.txt; echo seen"]})),
        "ran.txt",
    ),
    "apply_patch": ("responses", Call("apply_patch", PATCH), "patched.txt"),
    "bash": ("anthropic", Call("bash", arguments(command="echo ran > ran.txt; echo seen")), "ran.txt"),
}


@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
@pytest.mark.parametrize("tool", RUN)
def test_tools_that_the_vendor_runs(tool: str, lane: ProgramLane, open_room: OpenRoom) -> None:
    """Their calls are separate items, which the SDK refers to by id."""
    protocol, call, file = RUN[tool]
    if lane.dialect == "messages" and protocol == "anthropic":
        pytest.skip("passthrough lane")
    room = open_room(lane)
    room.upstream.next(Behaviour(parts=(call,)), Behaviour(text="First."))
    *turns, _ = chat(room, "Go on.", "And now?", tools=[tool], protocol=protocol)
    assert [turn["text"] for turn in turns] == ["First.", DONE]
    assert (room.work / file).exists()
    told = "did create_file" if tool == "apply_patch" else "seen"
    assert told in found(room.body(2), lane.result)[0]


def test_references_to_answers_stored_at_openai_are_forwarded(open_room: OpenRoom) -> None:
    room = open_room(RESPONSES)
    *turns, _ = chat(room, "Hello?", "And now?")
    assert [turn["text"] for turn in turns] == [DONE] * 2
    assert found(room.body(1), {"type": "item_reference"})


def test_a_conversation_that_is_not_stored_is_sent_in_full(open_room: OpenRoom) -> None:
    room = open_room(GEMINI_3, STORE + "enabled = false\n")
    kept = {"store": False, "include": ["reasoning.encrypted_content"]}
    room.upstream.next(Behaviour(parts=(GEMINI_3.thinking(THOUGHT), write("a.txt"))), Behaviour(text="First."))
    *turns, _ = chat(room, "Write.", "And now?", tools=["write"], options=kept)
    assert [turn["text"] for turn in turns] == ["First.", DONE]
    assert found(room.body(2), GEMINI_3.thought(THOUGHT))


def test_without_stored_answers_the_error_explains_what_to_do(open_room: OpenRoom) -> None:
    room = open_room(GEMINI, STORE + "enabled = false\n")
    first, second, _ = chat(room, "Hello?", "And now?")
    assert first["text"] == DONE
    assert second["status"] == 400 and "store: false" in second["error"]


def test_it_continues_from_an_answer_by_its_id(open_room: OpenRoom) -> None:
    room = open_room(CONVERSE)
    first, _ = chat(room, "Remember the word lighthouse.")
    second, _ = chat(room, "Which word?", options={"previousResponseId": first["id"]})
    assert second["text"] == DONE and "lighthouse" in json.dumps(room.body(1))


@pytest.mark.parametrize("protocol", ["responses", "chat", "anthropic"])
@pytest.mark.parametrize("lane", [ANTHROPIC, CONVERSE], ids=lambda lane: lane.name)
def test_errors_reach_the_program(lane: ProgramLane, protocol: str, open_room: OpenRoom) -> None:
    """The vendor's message and a status before the head; a truncated answer is never taken as complete."""
    room = open_room(lane, ONE_TRY)
    cut = Behaviour(text="cut short " * 50, cut_after=6)
    room.upstream.next(Behaviour(status=429, message="slow down, please"), cut)
    refused, broken, _ = chat(room, "Hello?", "And now?", protocol=protocol)
    assert refused["status"] == 429 and "slow down, please" in refused["error"]
    assert broken.get("error") and "text" not in broken

"""Codex with any vendor, through the Responses API: passed through to OpenAI, translated for all others.

Tests check the program's effects on disk, its view in its output, and the model's view at the vendor.
"""

import json
import threading
from typing import Any

import pytest

from nexus.protocols.codex_catalog import INSTRUCTIONS
from tests.docs.pages import DOCS, snippets_of
from tests.programs.conftest import DONE, OpenRoom, arguments
from tests.programs.kit import KEY, path_of
from tests.programs.lanes import ANTHROPIC, CONVERSE, EVERY, GEMINI, GPT_OSS, RESPONSES, THINKERS, ProgramLane, found
from tests.programs.sessions import codex_session
from tests.serving import ALICE
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

PATCH = "*** Begin Patch\n*** Add File: patched.txt\n+by a patch\n*** End Patch\n"
SCRIPT = """const done = await tools.exec_command({cmd: "echo ran > ran.txt"}); text(JSON.stringify(done));"""
GATE = f'[server.keys.alice]\nkey = "{ALICE}"\n'


def names(model: str, lane: ProgramLane) -> str:
    """Another model of the lane's provider, by a name that Codex knows."""
    return f'[llm.providers.v.models."{model}"]\nrename = "{lane.model}"\n'


@pytest.mark.parametrize("lane", [RESPONSES, *THINKERS], ids=lambda lane: lane.name)
def test_a_session(lane: ProgramLane, open_room: OpenRoom) -> None:
    """An image is attached; then three tools in parallel after thinking, one of them viewing an image."""
    codex_session(open_room(lane))


@pytest.mark.parametrize(
    ("lane", "name"),
    [(RESPONSES, "spawn_agent"), (ANTHROPIC, "multi_agent_v1__spawn_agent"), (GEMINI, "multi_agent_v1__spawn_agent")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_subagent(lane: ProgramLane, name: str, open_room: OpenRoom) -> None:
    """The tool is in a namespace. The main agent's answer is held until the subagent has asked."""
    path_of("codex")
    room = open_room(lane)
    both = threading.Event()
    room.upstream.next(
        Behaviour(parts=(Call(name, arguments(message="Count it all.")),)), *[Behaviour(text=DONE, hold=both)] * 2
    )

    def release() -> None:
        room.upstream.wait_for_requests(3, timeout=60)
        both.set()

    waiter = threading.Thread(target=release)
    waiter.start()
    try:
        said = room.desk.codex(room.nexus, "Go on.")
    finally:
        waiter.join()
    assert DONE in said
    asked = [json.dumps(request.json) for request in room.upstream.requests[1:]]
    assert any("agent_id" in body and "Go on." in body for body in asked)
    assert any("Count it all." in body and "Go on." not in body for body in asked)


@pytest.mark.parametrize("lane", [RESPONSES, ANTHROPIC, GEMINI, CONVERSE], ids=lambda lane: lane.name)
def test_a_script_in_a_custom_tool(lane: ProgramLane, open_room: OpenRoom) -> None:
    """With the names of OpenAI's newest models, Codex offers one tool in a namespace, which takes free text."""
    room = open_room(lane, names("gpt-6.1-sol", lane))
    passed = lane is RESPONSES
    call = Call("exec", SCRIPT) if passed else Call("functions__exec", json.dumps({"input": SCRIPT}))
    room.upstream.next(Behaviour(parts=(call,)))
    assert DONE in room.desk.codex(room.nexus, "Go on.", model="gpt-6.1-sol")
    assert (room.work / "ran.txt").read_text().strip() == "ran"
    result = {"type": "custom_tool_call_output"} if passed else lane.result
    assert "Script completed" in found(room.body(1), result)[0]


@pytest.mark.parametrize("lane", [RESPONSES, *EVERY, GPT_OSS], ids=lambda lane: lane.name)
def test_a_patch_in_a_custom_tool(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, names("gpt-5.5", lane))
    passed = lane is RESPONSES
    room.upstream.next(Behaviour(parts=(Call("apply_patch", PATCH if passed else json.dumps({"input": PATCH})),)))
    assert DONE in room.desk.codex(room.nexus, "Go on.", model="gpt-5.5")
    assert (room.work / "patched.txt").read_text().strip() == "by a patch"


def offered(body: Any) -> Any:
    return body["tools"] if "tools" in body else body["toolConfig"]


@pytest.mark.parametrize("lane", [*EVERY, GPT_OSS], ids=lambda lane: lane.name)
def test_a_search_for_tools_makes_them_callable(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Codex runs the search itself; the tools it found can be called from then on."""
    room = open_room(lane, names("gpt-5.5", lane))
    room.upstream.next(Behaviour(parts=(Call("tool_search", arguments(query="spawn an agent")),)))
    assert DONE in room.desk.codex(room.nexus, "Go on.", model="gpt-5.5")
    assert "multi_agent_v1__spawn_agent" not in json.dumps(offered(room.body(0)))
    assert "multi_agent_v1__spawn_agent" in json.dumps(offered(room.body(1)))
    assert "multi_agent_v1__spawn_agent" in found(room.body(1), lane.result)[0]


HEADER = f'model_providers.nexus.http_headers={{"x-nexus-key"="{ALICE}"}}'


@pytest.mark.parametrize(
    ("flags", "environment"),
    [((), {"NEXUS_KEY": ALICE}), (("-c", HEADER), {"NEXUS_KEY": KEY})],
    ids=["env_key", "http_headers"],
)
def test_a_gateway_key_is_accepted_wherever_the_program_can_send_it(
    flags: tuple[str, ...], environment: dict[str, str], open_room: OpenRoom
) -> None:
    room = open_room(ANTHROPIC, GATE)
    assert DONE in room.desk.codex(room.nexus, *flags, "Hello?", environment=environment)
    assert ALICE not in str(room.upstream.requests)


def test_the_catalog_removes_the_warning(open_room: OpenRoom) -> None:
    """With the settings of the page. Codex requests ``model_catalog_url`` if it has a credential, and takes its
    instructions from there."""
    room = open_room(ANTHROPIC)
    page = next(one.text for one in snippets_of(DOCS / "codex.rst") if "model_catalog_url" in one.text)
    config = page.replace("http://127.0.0.1:8000", room.nexus.base).replace("openai/gpt-5.5", "v/m")
    said = room.desk.codex(room.nexus, "Go on.", config=config)
    assert DONE in said and "Model metadata" not in said
    assert INSTRUCTIONS.splitlines()[0] in json.dumps(room.body(0))

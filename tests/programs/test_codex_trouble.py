"""Codex when a vendor fails: it waits, retries, compacts its history, or reports the problem.

A truncated answer is never taken as complete, and none of its tools are run.
"""

import json

import pytest

from tests.programs.conftest import DONE, ONE_TRY, OpenRoom, arguments
from tests.programs.lanes import ANTHROPIC, CONVERSE, EVERY, GEMINI, OPENAI, RESPONSES, VENDORS, ProgramLane
from tools.fake_upstream import Behaviour, Call

pytestmark = pytest.mark.slow

PINGS = '[server]\nearly_ping = "60s"\nping_interval = "100ms"\n'
EARLY_PINGS = '[server]\nearly_ping = "100ms"\nping_interval = "100ms"\n'
SILENCE = "model_providers.nexus.stream_idle_timeout_ms=1000"
NO_RETRIES = "model_providers.nexus.stream_max_retries=0"


@pytest.mark.parametrize("lane", [RESPONSES, *EVERY], ids=lambda lane: lane.name)
def test_it_retries_when_the_vendor_is_busy(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, ONE_TRY)
    busy = Behaviour(status=429, headers=(("retry-after", "1"),))
    room.upstream.next(busy, Behaviour(status=lane.overloaded))
    assert DONE in room.desk.codex(room.nexus, "Hello?")
    assert len(room.upstream.requests) == 3


@pytest.mark.parametrize("lane", [RESPONSES, *EVERY], ids=lambda lane: lane.name)
def test_truncated_text_is_requested_again(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, ONE_TRY)
    room.upstream.next(Behaviour(cut_after=6, text="cut short " * 50))
    said = room.desk.codex(room.nexus, "Hello?")
    assert DONE in said and "Reconnecting" in said
    first, second = (request.json for request in room.upstream.requests)
    assert "cut short" not in json.dumps(second) and len(json.dumps(first)) == len(json.dumps(second))


@pytest.mark.parametrize("lane", [RESPONSES, ANTHROPIC, OPENAI, CONVERSE], ids=lambda lane: lane.name)
def test_a_truncated_call_is_not_run(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Gemini sends calls whole."""
    room = open_room(lane, ONE_TRY)
    call = arguments(cmd="touch one; touch two; touch three; touch four; touch five; touch six")
    room.upstream.next(Behaviour(cut_after=8, tool_calls=(("exec_command", call),)))
    assert DONE in room.desk.codex(room.nexus, "Hello?")
    assert list(room.work.iterdir()) == []


@pytest.mark.parametrize("lane", [RESPONSES, *VENDORS], ids=lambda lane: lane.name)
def test_a_conversation_that_is_too_long_is_reported_as_such(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Codex does not compact by itself in this case, whatever the vendor."""
    room = open_room(lane)
    room.upstream.next(lane.too_long)
    assert "ran out of room in the model's context window" in room.desk.codex(room.nexus, "Hello?")
    assert len(room.upstream.requests) == 1


@pytest.mark.parametrize("lane", [RESPONSES, ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_a_growing_conversation_is_compacted(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Based on the input tokens that the vendor reported, before the window is full."""
    room = open_room(lane)
    call = Call("exec_command", arguments(cmd="echo said by the shell"))
    room.upstream.next(
        Behaviour(parts=(call,), input_tokens=50_000), Behaviour(text="SUMMARY: the shell spoke", input_tokens=50_000)
    )
    said = room.desk.codex(room.nexus, "-c", "model_auto_compact_token_limit=20000", "Hello?")
    assert "context compacted" in said and DONE in said
    summary, shorter = (json.dumps(request.json) for request in room.upstream.requests[1:])
    assert "said by the shell" in summary
    assert "SUMMARY: the shell spoke" in shorter and "said by the shell" not in shorter


@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_a_codex_that_takes_nexus_for_openai_compacts_remotely(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Decided by the provider's name. The model writes the summary, which later turns contain as text."""
    room = open_room(lane)
    call = Call("exec_command", arguments(cmd="echo said by the shell"))
    room.upstream.next(
        Behaviour(parts=(call,), input_tokens=50_000), Behaviour(text="SUMMARY: the shell spoke", input_tokens=50_000)
    )
    named = ("-c", 'model_providers.nexus.name="OpenAI"')
    said = room.desk.codex(room.nexus, *named, "-c", "model_auto_compact_token_limit=20000", "Hello?")
    assert "context compacted" in said and DONE in said
    summary, shorter = (json.dumps(request.json) for request in room.upstream.requests[1:3])
    assert "Write a summary of this conversation" in summary
    assert "SUMMARY: the shell spoke" in shorter and "said by the shell" not in shorter


@pytest.mark.parametrize("lane", [RESPONSES, OPENAI, GEMINI], ids=lambda lane: lane.name)
def test_a_vendor_that_falls_silent_is_waited_for(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Between its events, for longer than Codex would wait without a sign of life."""
    room = open_room(lane, PINGS)
    room.upstream.next(Behaviour(event_delay=2.5, only_before=2, text=DONE))
    said = room.desk.codex(room.nexus, "-c", SILENCE, "-c", NO_RETRIES, "Hello?")
    assert DONE in said and "idle timeout" not in said


@pytest.mark.parametrize("pings", [PINGS, EARLY_PINGS], ids=["without a head", "with an early head"])
def test_a_vendor_that_is_slow_to_begin_is_waited_for(open_room: OpenRoom, pings: str) -> None:
    """The timeout applies to streams that have begun, as an early head does; Codex counts Nexus's events as a sign of
    life.
    """
    room = open_room(ANTHROPIC, pings)
    room.upstream.next(Behaviour(delay=2.5, text=DONE))
    assert DONE in room.desk.codex(room.nexus, "-c", SILENCE, "-c", NO_RETRIES, "Hello?")


def test_without_websockets_it_uses_http(open_room: OpenRoom) -> None:
    room = open_room(ANTHROPIC)
    said = room.desk.codex(room.nexus, "-c", "model_providers.nexus.supports_websockets=true", "Hello?")
    assert DONE in said and "Reconnecting" not in said


def test_a_failure_after_pings_is_survived(open_room: OpenRoom) -> None:
    """The head has been sent by then, so the failure comes inside the stream."""
    room = open_room(ANTHROPIC, EARLY_PINGS + ONE_TRY)
    room.upstream.next(Behaviour(delay=1.0, status=529))
    assert DONE in room.desk.codex(room.nexus, "Hello?")
    assert len(room.upstream.requests) == 2


@pytest.mark.parametrize(
    ("lane", "reason"), [(RESPONSES, "max_output_tokens"), (GEMINI, "MAX_TOKENS")], ids=lambda value: str(value)[:9]
)
def test_an_answer_that_reached_its_limit_is_not_taken_as_complete(
    lane: ProgramLane, reason: str, open_room: OpenRoom
) -> None:
    room = open_room(lane)
    room.upstream.next(Behaviour(text="half an answer", stop_reason=reason))
    assert "Incomplete response returned, reason: max_output_tokens" in room.desk.codex(room.nexus, "Hello?")

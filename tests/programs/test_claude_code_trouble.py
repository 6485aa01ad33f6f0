"""Claude Code when a vendor fails: it waits, retries, compacts its history, or reports the problem.

A truncated answer is never taken as complete, and none of its tools are run.
"""

import json

import pytest

from tests.programs.conftest import DONE, ONE_TRY, OpenRoom, arguments
from tests.programs.lanes import ANTHROPIC, CONVERSE, EVERY, GEMINI, OPENAI, VENDORS, ProgramLane
from tools.fake_upstream import Behaviour

pytestmark = pytest.mark.slow

SHORT_SILENCE = '[server]\nearly_ping = "100ms"\nping_interval = "100ms"\n'


@pytest.mark.parametrize("lane", EVERY, ids=lambda lane: lane.name)
def test_it_waits_on_retry_after_and_when_the_vendor_is_overloaded(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, ONE_TRY)
    busy = Behaviour(status=429, headers=(("retry-after", "1"),))
    room.upstream.next(busy, Behaviour(status=lane.overloaded))
    assert room.desk.claude(room.nexus, "Hello?").strip() == DONE
    first, second, third = (request.received_at for request in room.upstream.requests)
    assert second - first >= 1 and third > second


@pytest.mark.parametrize("lane", EVERY, ids=lambda lane: lane.name)
def test_truncated_text_is_requested_again(lane: ProgramLane, open_room: OpenRoom) -> None:
    room = open_room(lane, ONE_TRY)
    room.upstream.next(Behaviour(cut_after=6, text="cut short " * 50))
    assert room.desk.claude(room.nexus, "Hello?").strip() == DONE
    assert len(room.upstream.requests) == 2 and "cut short" not in json.dumps(room.body(1))


@pytest.mark.parametrize("lane", [ANTHROPIC, OPENAI, CONVERSE], ids=lambda lane: lane.name)
def test_a_truncated_call_is_not_run(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Gemini sends calls whole."""
    room = open_room(lane, ONE_TRY)
    call = arguments(command="touch one; touch two; touch three; touch four; touch five", description="makes files")
    room.upstream.next(Behaviour(cut_after=8, tool_calls=(("Bash", call),)))
    assert room.desk.claude(room.nexus, "Hello?", "--allowedTools", "Bash").strip() == DONE
    assert list(room.work.iterdir()) == []
    # The second request repeats the first: the program has not seen a call.
    assert len(room.upstream.requests) == 2 and "touch" not in json.dumps(room.body(1)["messages"])


@pytest.mark.parametrize("lane", VENDORS, ids=lambda lane: lane.name)
def test_a_conversation_that_is_too_long_is_compacted(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Every vendor's message reaches the program in the form that it recognises."""
    room = open_room(lane)
    room.desk.claude(room.nexus, "Remember the word lighthouse.")
    room.desk.claude(room.nexus, "--continue", "And the word harbour.")
    room.upstream.next(lane.too_long, Behaviour(text="<summary>Two words: lighthouse, harbour.</summary>"))
    assert room.desk.claude(room.nexus, "--continue", "Which words?").strip() == DONE
    refused, summary, shorter = (json.dumps(request.json) for request in room.upstream.requests[2:])
    assert "Remember the word lighthouse." in refused and "Remember the word lighthouse." in summary
    assert "Two words: lighthouse, harbour." in shorter and "Remember the word lighthouse." not in shorter


@pytest.mark.parametrize("lane", [ANTHROPIC, GEMINI], ids=lambda lane: lane.name)
def test_a_silent_vendor_is_waited_for(lane: ProgramLane, open_room: OpenRoom) -> None:
    """Pings come before the vendor's first byte, and between its events."""
    room = open_room(lane, SHORT_SILENCE)
    room.upstream.next(Behaviour(delay=1.0, event_delay=1.0, only_before=2, text=DONE))
    assert room.desk.claude(room.nexus, "Hello?").strip() == DONE


def test_a_failure_after_pings_is_survived(open_room: OpenRoom) -> None:
    """The head has been sent by then, so the failure comes inside the stream."""
    room = open_room(OPENAI, SHORT_SILENCE + ONE_TRY)
    room.upstream.next(Behaviour(delay=1.0, status=503))
    assert room.desk.claude(room.nexus, "Hello?").strip() == DONE


def test_an_answer_that_reached_its_limit_is_not_taken_as_complete(open_room: OpenRoom) -> None:
    """Claude Code asks for the rest, as it does with Anthropic, and reports it if that does not arrive."""
    room = open_room(GEMINI)
    room.upstream.default = Behaviour(text="half an answer", stop_reason="MAX_TOKENS")
    said = room.desk.claude(room.nexus, "Hello?")
    assert "output token maximum" in said
    assert len(room.upstream.requests) == 4

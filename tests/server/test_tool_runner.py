"""The tool runner of Anthropic's SDK, which starts with a conversation stored at Anthropic, on every vendor."""

import anthropic
import pytest
from anthropic import beta_tool
from anthropic.lib.streaming import BetaMessageStream

from tests.server.vendors import DISTINCT, RESPONSES, Lane, Stand, stand
from tools.fake_upstream import Behaviour

__all__ = ["stand"]

OTHERS = [lane for lane in DISTINCT if lane.name != "anthropic"]
"""Without Anthropic's, to which the request passes unchanged."""

HELD = {"type": "continue", "previous_message_id": "msg_1"}


@beta_tool
def weather(city: str) -> str:
    """Reports the weather."""
    return f"sunny in {city}"


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("lane", [*OTHERS, RESPONSES], ids=lambda lane: lane.name)
def test_it_runs_tools(lane: Lane, stream: bool, stand: Stand) -> None:
    vendor = stand(lane)
    vendor.upstream.next(Behaviour(tool_calls=(("weather", '{"city": "Paris"}'),)))
    with anthropic.Anthropic(base_url=vendor.nexus.anthropic, api_key="not-used", max_retries=0) as client:
        runner = client.beta.messages.tool_runner(
            model="v/m", max_tokens=64, messages=[{"role": "user", "content": "Paris?"}], tools=[weather], stream=stream
        )
        answers = [answer.get_final_message() if isinstance(answer, BetaMessageStream) else answer for answer in runner]
    assert [answer.stop_reason for answer in answers] == ["tool_use", "end_turn"]
    assert "sunny in Paris" in str(vendor.upstream.requests[-1].json)
    assert vendor.upstream.violations == []


@pytest.mark.parametrize("held", [{"type": "create"}, HELD], ids=["begun", "continued"])
@pytest.mark.parametrize("lane", OTHERS, ids=lambda lane: lane.name)
def test_a_vendor_without_stored_conversations_answers_as_the_sdk_expects(
    lane: Lane, held: dict[str, str], stand: Stand
) -> None:
    vendor = stand(lane)
    reply = vendor.nexus.messages({"model": "v/m", "max_tokens": 64, "messages": [], "thread": held})
    assert reply.status == 400
    assert reply.json["error"]["details"] == {"error_code": "thread_unsupported_request"}
    assert vendor.upstream.requests == []

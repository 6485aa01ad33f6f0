"""Gemini sometimes ends an answer before its first word, and answers when asked again. Agents take an empty answer for
the end of their task.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.vendors import HELLO, LANES, Lane, Stand
from tests.serving import PATHS
from tools.fake_upstream import Behaviour, Call

EMPTY = Behaviour(parts=())
GEMINI, OPENAI = LANES[2], LANES[0]
ONCE = Lane("gemini without retries", "gemini", "gemini-2.5-flash", None, more="retries.attempts = 1\n")
ASKED: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99},
    "responses": {"input": "Hi"},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", ASKED)
def test_gemini_is_asked_once_more(stand: Stand, client: str, stream: bool) -> None:
    house = stand(GEMINI)
    house.upstream.next(EMPTY)
    reply = house.nexus.post(PATHS[client], {**ASKED[client], "model": "v/m", "stream": stream})
    assert (reply.status, len(house.upstream.requests)) == (200, 2)
    assert HELLO.split()[-1].encode() in reply.body
    first, second = (request.body for request in house.upstream.requests)
    assert first == second


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_second_empty_answer_is_the_answer(stand: Stand, stream: bool) -> None:
    house = stand(GEMINI)
    house.upstream.next(EMPTY, EMPTY)
    reply = house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream})
    assert (reply.status, b'"end_turn"' in reply.body, len(house.upstream.requests)) == (200, True, 2)


@pytest.mark.parametrize(
    ("lane", "answer"),
    [
        (ONCE, EMPTY),
        (OPENAI, EMPTY),
        (GEMINI, Behaviour(parts=(), stop_reason="MAX_TOKENS")),
        (GEMINI, Behaviour(block_reason="SAFETY")),
        (GEMINI, Behaviour(parts=(Call("f"),))),
    ],
    ids=["no retries", "another vendor", "no room", "blocked", "a call"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_no_other_answer_is_repeated(stand: Stand, lane: Lane, answer: Behaviour, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(answer)
    assert house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream}).status == 200
    assert len(house.upstream.requests) == 1

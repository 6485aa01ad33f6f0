"""Golden conversations: thinking, tools, images and a failed call, with two changes of vendor."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion

from nexus.protocols.gemini.signatures import PLACEHOLDER
from tests.laws.kit import CLIENTS, VENDORS, check_body
from tests.laws.observations import Observations, haystack, observe
from tests.protocols.converse.published import check_output
from tests.protocols.messages.kit import check_message

from .talk import ARGUMENTS, FAILURE, FORECAST, TOOL_IMAGE, USER_IMAGE, Talk, recorded, secrets

FIRST = {"thought": "Two things to look up.", "words": "I will look at both."}
SECOND = {"thought": "The forecast is fine, the clock is broken.", "words": "Ulm is sunny. The clock gave an error."}
ROUTES = [
    pytest.param(client, a, b, number % 2 == 1, id=f"{client}-{a}-{b}-{'streamed' if number % 2 else 'whole'}")
    for at, client in enumerate(CLIENTS)
    for number, (a, b) in enumerate(itertools.product(VENDORS, VENDORS), at)
]
"""Whole and streamed in turns: each change of vendor happens in both ways."""


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("which", ["first", "second"])
def test_the_recorded_answers_match_their_vendors_types(vendor: str, which: str) -> None:
    answer = json.loads(recorded(vendor, which, stream=False).read_text())
    match vendor:
        case "chat":
            ChatCompletion.model_validate(answer)
        case "messages":
            check_message(answer)
        case "gemini":
            GenerateContentResponse.model_validate(answer)
        case _:
            check_output("ConverseResponse", answer)
    assert list(secrets(vendor, which))


@pytest.mark.parametrize(("client", "a", "b", "stream"), ROUTES)
def test_a_conversation_changes_its_vendor_and_returns(client: str, a: str, b: str, stream: bool) -> None:
    talk = Talk(client)
    written, _ = talk.written_for(a)
    check_body(a, written.body)
    assert USER_IMAGE in observe(a, written.body).media

    talk.answered_by(a, "first", stream=stream)
    talk.gives_results()
    written, dropped = talk.written_for(b)
    _check_body(client, b, written.body)
    _check_signatures(b, written.body, dropped, made={a: "first"})

    talk.answered_by(b, "second", stream=stream)
    talk.says("Thank you. And tomorrow?")
    written, dropped = talk.written_for(a)
    picture = _check_body(client, a, written.body)
    assert picture.words[-1] == "Thank you. And tomorrow?"
    assert any(SECOND["words"] in words for words in picture.words)
    if a != b:
        _check_signatures(a, written.body, dropped, made={a: "first", b: "second"})


def _check_body(client: str, vendor: str, body: Mapping[str, Any]) -> Observations:
    """All content of the first exchange, in the vendor's own published form."""
    check_body(vendor, body)
    picture = observe(vendor, body)
    assert any("Be brief." in words for words in picture.words)
    assert any(FIRST["words"] in words for words in picture.words)
    assert picture.calls == [("look_up", ARGUMENTS), ("now", {})]
    assert len(set(picture.ids)) == 2 and all(picture.ids)
    assert [result.call for result in picture.results] == [0, 1]
    forecast, failure = picture.results
    assert FORECAST in forecast.words and not forecast.is_error
    assert FAILURE in failure.words and failure.is_error == (client == "messages")
    assert picture.media == [USER_IMAGE, TOOL_IMAGE]
    assert picture.tools["look_up"][0] == "The weather."
    assert "nexus." not in haystack(body)
    return picture


def _check_signatures(vendor: str, body: Mapping[str, Any], dropped: tuple[str, ...], made: Mapping[str, str]) -> None:
    """The vendor's own signatures in their exact places, no other vendor's anywhere, and every loss reported."""
    everything = haystack(body)
    for maker, which in made.items():
        for secret in secrets(maker, which):
            assert (secret in everything) == (maker == vendor)
        if maker != vendor:
            assert {"first": FIRST, "second": SECOND}[which]["thought"] not in everything
            assert any("reasoning" in name for name in dropped)
            assert vendor != "gemini" or which == "second" or PLACEHOLDER in everything
        else:
            assert _OWN[vendor](body) == _OWN[vendor](_as_turn(maker, which))
            assert PLACEHOLDER not in everything
    if set(made) == {vendor} and vendor != "gemini":
        # Gemini's thoughts have no signature of their own and need not be sent back.
        assert not any("reasoning" in name or "thinking" in name for name in dropped)


def _as_turn(vendor: str, which: str) -> Mapping[str, Any]:
    """The recorded answer as it appears in a history."""
    answer = json.loads(recorded(vendor, which, stream=False).read_text())
    match vendor:
        case "chat":
            return {"messages": [answer["choices"][0]["message"]]}
        case "messages":
            return {"messages": [answer]}
        case "gemini":
            return {"contents": [answer["candidates"][0]["content"]]}
        case _:
            return {"messages": [answer["output"]["message"]]}


def _chat_own(body: Mapping[str, Any]) -> Any:
    return [turn["reasoning_details"] for turn in body["messages"] if turn.get("reasoning_details")]


def _messages_own(body: Mapping[str, Any]) -> Any:
    blocks = [block for turn in body["messages"] for block in turn["content"] if turn["role"] == "assistant"]
    return [block for block in blocks if block["type"] in ("thinking", "redacted_thinking")]


def _gemini_own(body: Mapping[str, Any]) -> Any:
    parts = [part for content in body["contents"] for part in content["parts"]]
    return [part for part in parts if "thoughtSignature" in part]


def _converse_own(body: Mapping[str, Any]) -> Any:
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    return [block for block in blocks if "reasoningContent" in block]


_OWN = {"chat": _chat_own, "messages": _messages_own, "gemini": _gemini_own, "converse": _converse_own}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("vendor", sorted(set(VENDORS) - {"messages"}))
def test_the_budget_is_dropped_if_claudes_own_thinking_is_missing(client: str, vendor: str, stream: bool) -> None:
    """Claude rejects a thinking budget in a tool turn that another vendor began; the drop is reported to the client."""
    talk = Talk(client)
    talk.answered_by(vendor, "first", stream=stream)
    talk.gives_results()
    written, dropped = talk.written_for("messages")
    assert "thinking" not in written.body
    assert "thinking" in dropped

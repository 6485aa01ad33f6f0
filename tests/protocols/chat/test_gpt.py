"""Translated chat requests to OpenAI models that reject part of them, when the Responses API is not used."""

from dataclasses import replace
from typing import Any

import pytest

from nexus.conversation.parts import Message, Request, Text, Thinking, Tool
from nexus.models import gpt
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.codec import Cut, Target, VendorRequest

HI = Request((Message("user", (Text("hi"),)),))
TOOLS = replace(HI, tools=(Tool("f"),))
HARD = Thinking(True, effort="high")


def write(request: Request, model: str) -> VendorRequest:
    facts = gpt.known(model)
    assert facts is not None
    return write_request(request, Target(model, chat=gpt.on_chat(facts), gpt=facts))


EFFORTS: dict[str, tuple[Request, str, str | None, tuple[str, ...]]] = {
    "tools are kept, the effort is dropped": (replace(TOOLS, thinking=HARD), "gpt-5.5", None, ("thinking",)),
    "tools require effort none": (replace(TOOLS, thinking=HARD), "gpt-5.6-sol", "none", ("thinking",)),
    "tools require effort none without a requested effort": (TOOLS, "gpt-6-sol", "none", ("thinking",)),
    "tools with thinking off": (replace(TOOLS, thinking=Thinking(False)), "gpt-5.6-sol", "none", ()),
    "tools on an older model": (replace(TOOLS, thinking=HARD), "gpt-5", "high", ()),
    "no tools": (replace(HI, thinking=HARD), "gpt-5.6-sol", "high", ()),
    "an unsupported level": (replace(HI, thinking=Thinking(True, effort="max")), "o3", "high", ("thinking.effort",)),
    "a budget becomes a level": (replace(HI, thinking=Thinking(True, budget=99_999)), "o3", "high", ()),
    "no reasoning model": (replace(HI, thinking=HARD), "gpt-4.1", None, ("thinking",)),
    "no reasoning model, thinking off": (replace(HI, thinking=Thinking(False)), "gpt-4.1", None, ()),
}


@pytest.mark.parametrize("case", EFFORTS)
def test_efforts_are_fitted_to_the_model(case: str) -> None:
    request, model, effort, dropped = EFFORTS[case]
    written = write(request, model)
    assert (written.body.get("reasoning_effort"), written.dropped) == (effort, dropped)


@pytest.mark.parametrize(
    ("model", "stops", "sent", "cut"),
    [
        ("o3", ("a",), None, Cut(("a",))),
        ("gpt-5.4", ("a",), None, Cut(("a",))),
        ("gpt-5.5", ("a",), ["a"], Cut()),
        ("gpt-4.1", tuple("abcd"), list("abcd"), Cut()),
        ("gpt-4.1", tuple("abcde"), None, Cut(tuple("abcde"))),
    ],
)
def test_stops_are_sent_or_cut_by_nexus(model: str, stops: tuple[str, ...], sent: Any, cut: Cut) -> None:
    written = write(replace(HI, stop=stops), model)
    assert (written.body.get("stop"), written.cut, written.dropped) == (sent, cut, ())


def test_sampling_is_dropped_where_the_model_rejects_it() -> None:
    warm = replace(HI, temperature=0.5)
    assert write(warm, "gpt-4.1").body["temperature"] == 0.5
    assert write(replace(warm, thinking=Thinking(False)), "gpt-5.5").body["temperature"] == 0.5
    assert write(warm, "gpt-5.5").dropped == ("temperature",)
    assert write(replace(warm, thinking=Thinking(False)), "gpt-5").dropped == ("thinking", "temperature")


def test_verbosity_that_is_sent_is_not_reported_as_dropped() -> None:
    written = write(replace(HI, verbosity="low"), "gpt-5")
    assert (written.body["verbosity"], written.dropped) == ("low", ())

"""Checks of model capabilities: tools, vision, thinking, structured output, prompt caching.

Each check is a function that raises ``CheckFailed`` if the model lacks the capability. It sends what an ordinary client
sends, and accepts only what such a client could use.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import partial

from nexus.cli.smoke.formats import Body
from nexus.cli.smoke.http import CheckFailed
from nexus.cli.smoke.parser import CAPABILITIES
from nexus.cli.smoke.probe import Probe, demand, first_accepted, said, user
from nexus.conversation.parts import (
    Image,
    Inline,
    Message,
    OutputFormat,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.dataclasses import dataclass, replace
from nexus.models.chat_server import PLAIN
from nexus.wire import Json, decode, mapping

YES, NO, UNTRIED = "ok", "no", "-"

CITY: Body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLACE: Body = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}
RED = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAb0lEQVR4nO3PAQkAAAyEwO9feoshgnABdLep8QUNyPEFDcjxBQ3I8QUNyPEFDcjxBQ3I"
    "8QUNyPEFDcjxBQ3I8QUNyPEFDcjxBQ3I8QUNyPEFDcjxBQ3I8QUNyPEFDcjxBQ3I8QUNyPEFDcjxBQ3IPanc8OLDQitxAAAAAElFTkSuQmCC"
)
"""A red square as PNG."""
CACHE_TRIES, CACHE_PAUSE = 2, 1.0
LONG = "\n".join(f"Rule {n}: parcel {n * 7919 % 100_003} goes to shelf {n * 104_729 % 9_973}." for n in range(500))
"""Longer than the smallest prompt that every vendor caches (4096 tokens), and the same in every run."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Outcome of one check; ``error`` says why it failed."""

    result: str
    error: str = ""


def capability(name: str, probe: Probe) -> Capability:
    try:
        CHECKS[name](probe)
    except CheckFailed as failure:
        return Capability(NO, str(failure))
    return Capability(YES)


def tools(probe: Probe) -> None:
    """A forced call with arguments, then an answer to its result. Some models, such as the newest Claude, reject a
    forced call: they are left to call by themselves."""
    asked, weather = user(Text("What is the weather in Paris?")), Tool("get_weather", "The weather in a city.", CITY)
    request = Request((asked,), tools=(weather,))
    forced = replace(request, tool_choice=ToolChoice("tool", weather.name))
    answer = first_accepted(partial(probe.send, one) for one in (forced, request))
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    demand(calls, "the model did not call the tool")
    for call in calls:
        demand(call.name == weather.name, f"the model called {call.name or 'a tool without a name'}")
        given = decoded(call.arguments, f"the arguments of {call.name} are not JSON")
        demand(isinstance(mapping(given).get("city"), str), "the call lacks the city")
    sunny = Text(json.dumps({"weather": "sunny", "celsius": 21}))
    results = Message("user", tuple(ToolResult(call.id, (sunny,)) for call in calls))
    final = probe.send(replace(request, messages=(asked, Message("assistant", answer.parts), results)))
    demand(said(final).strip(), "the model did not answer after the tool's result")


def vision(probe: Probe) -> None:
    question = Text("Which colour fills this image? Answer with one word, in English.")
    answer = probe.send(Request((user(Image(Inline("image/png", RED)), question),)))
    demand(re.search(r"\bred\b", said(answer), re.IGNORECASE), "the model did not see that the image is red")


def thinking(probe: Probe) -> None:
    question = Text("How many primes lie between 100 and 150? Think first.")
    request = Request((user(question),))
    answer = first_accepted(partial(probe.send, request, more) for more in probe.endpoint.format.thinking)
    thought = answer.usage.reasoning or any(isinstance(part, Reasoning) for part in answer.parts)
    demand(thought, "the answer holds no thinking and counts no reasoning tokens")
    demand(said(answer).strip(), "the answer has no text")


def structured(probe: Probe) -> None:
    wanted = OutputFormat(PLACE, "place", strict=True)
    answer = probe.send(Request((user(Text("What is the capital of France?")),), output_format=wanted))
    place = mapping(decoded(said(answer), "the answer is not JSON"))
    fits = place.keys() == {"city", "country"} and all(isinstance(value, str) for value in place.values())
    demand(fits, "the answer does not fit the schema")


def decoded(text: str, problem: str) -> Json:
    """Raises CheckFailed."""
    try:
        return decode(text)
    except ValueError as error:
        raise CheckFailed(problem) from error


def cache(probe: Probe) -> None:
    """Tries without cache_control too, which vendors with automatic caching may reject, and retries after a pause."""
    question = Text("How many rules are there? Answer with the number.")
    marked, plain = (Request((user(part, question),)) for part in (Text(LONG, cache="5m"), Text(LONG)))
    marks = replace(PLAIN, cache_control=True)
    variants = partial(probe.send, marked, server=marks), partial(probe.send, plain)
    first_accepted(variants)
    for attempt in range(CACHE_TRIES):
        if attempt:
            time.sleep(CACHE_PAUSE)
        if first_accepted(variants).usage.cache_read:
            return
    raise CheckFailed("no cached tokens were reported for a repeated prompt")


CHECKS: Mapping[str, Callable[[Probe], None]] = dict(
    zip(CAPABILITIES, (tools, vision, thinking, structured, cache), strict=True)
)

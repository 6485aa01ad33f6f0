"""Checks of model capabilities: tools, vision, thinking, structured output, prompt caching.

Each check is a function that raises ``CheckFailed`` if the model lacks the capability. It sends what an ordinary client
sends, and accepts only what such a client could use.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import time
import zlib
from collections.abc import Callable, Mapping

from nexus.cli.smoke.dialect import Body, arguments, demand
from nexus.cli.smoke.http import CheckFailed, Timings
from nexus.cli.smoke.probe import Probe
from nexus.dataclasses import dataclass
from nexus.wire import mapping, sequence

YES, NO, UNTRIED = "ok", "no", "-"

CITY: Body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLACE: Body = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}
SIDE = 64
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
    """A forced call with arguments, then an answer to its result."""
    dialect = probe.endpoint.dialect
    offered, forced = dialect.offer("get_weather", "The weather in a city.", CITY)
    body = probe.body("What is the weather in Paris?")
    answer = probe.send(body | offered | forced, Timings())
    demand(answer.calls, "the model did not call the tool")
    for call in answer.calls:
        demand(call.name == "get_weather", f"the model called {call.name or 'a tool without a name'}")
        demand(isinstance(arguments(call).get("city"), str), "the call lacks the city")
    turns = dialect.results(answer, json.dumps({"weather": "sunny", "celsius": 21}))
    field = dialect.turns
    final = probe.send(body | offered | {field: [*sequence(body[field]), *turns]}, Timings())
    demand(final.text.strip(), "the model did not answer after the tool's result")


def vision(probe: Probe) -> None:
    image = probe.endpoint.dialect.image(base64.b64encode(red_png()).decode())
    question = {"type": "text", "text": "Which colour fills this image? Answer with one word, in English."}
    answer = probe.ask([image, question])
    demand(re.search(r"\bred\b", answer.text, re.IGNORECASE), "the model did not see that the image is red")


def thinking(probe: Probe) -> None:
    answer = probe.ask("How many primes lie between 100 and 150? Think first.", *probe.endpoint.dialect.thinking())
    counted = answer.spent is not None and answer.spent.reasoning > 0
    demand(answer.reasoned or counted, "the answer holds no thinking and counts no reasoning tokens")
    demand(answer.text.strip(), "the answer has no text")


def structured(probe: Probe) -> None:
    answer = probe.ask("What is the capital of France?", probe.endpoint.dialect.schema("place", PLACE))
    try:
        place = mapping(json.loads(answer.text))
    except ValueError as error:
        raise CheckFailed("the answer is not JSON") from error
    fits = place.keys() == {"city", "country"} and all(isinstance(value, str) for value in place.values())
    demand(fits, "the answer does not fit the schema")


def cache(probe: Probe) -> None:
    """Tries without cache_control too, which vendors with automatic caching may reject, and retries after a pause."""
    question = {"type": "text", "text": "How many rules are there? Answer with the number."}
    plain = {"type": "text", "text": LONG}
    marked = plain | {"cache_control": {"type": "ephemeral"}}
    field = probe.endpoint.dialect.turns
    variants = [{field: probe.body([part, question])[field]} for part in (marked, plain)]
    probe.ask("", *variants)
    for attempt in range(CACHE_TRIES):
        if attempt:
            time.sleep(CACHE_PAUSE)
        spent = probe.ask("", *variants).spent
        if spent and spent.cached:
            return
    raise CheckFailed("no cached tokens were reported for a repeated prompt")


CHECKS: Mapping[str, Callable[[Probe], None]] = {
    "tools": tools,
    "vision": vision,
    "thinking": thinking,
    "json": structured,
    "cache": cache,
}


def red_png() -> bytes:
    """A pure red square as PNG, 8 bit RGB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff\0\0" * SIDE) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

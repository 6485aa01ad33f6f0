"""A Gemini client's request -> the neutral one.

Law: driven by fields.READS: what is refused there is refused, what is dropped there or unknown is left out and named.
Source: ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.parts import Text
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Body, Drops, an_object, maybe_object, maybe_string, maybe_strings
from nexus.protocols.codec import ReadRequest
from nexus.protocols.dispositions import dropped_by
from nexus.protocols.gemini.fields import READS
from nexus.protocols.gemini.read_config import read_config
from nexus.protocols.gemini.read_contents import read_contents, several
from nexus.protocols.gemini.read_tools import read_tooling
from nexus.protocols.gemini.spelling import camel
from nexus.wire import mapping

_IN_PATH = ("model", "stream")
_TIERS = {"standard": "default", "SERVICE_TIER_STANDARD": "default"}


def read_request(body: Body) -> ReadRequest:
    body = mapping(camel(dict(body)))
    drops = dropped_by(READS, body, _IN_PATH)
    config = maybe_object(body, "generationConfig")
    choice, tools = read_tooling(body, drops)
    stream = body.get("stream") is True
    tier = maybe_string(body, "serviceTier")
    request = replace(
        read_config(config, drops),
        messages=read_contents(body.get("contents"), drops),
        system=_read_system(body, drops),
        tools=tools,
        tool_choice=choice,
        metadata=maybe_strings(body, "labels"),
        service_tier=None if tier is None else _TIERS.get(tier, tier),
        stream=stream,
        include_usage=stream,
    )
    return ReadRequest(request, drops.names)


def _read_system(body: Body, drops: Drops) -> tuple[Text, ...]:
    if body.get("systemInstruction") is None:
        return ()
    held = an_object(body["systemInstruction"], "systemInstruction")
    drops.unknown(held, ("role", "parts"), "systemInstruction")
    texts: list[Text] = []
    for part, path in several(held.get("parts"), "systemInstruction.parts"):
        if not isinstance(part.get("text"), str):
            raise UnsupportedFeature.about(path, "only text can stand here")
        drops.unknown(part, ("text",), "systemInstruction.parts")
        texts += [Text(part["text"], at=path)] if part["text"] else []
    return tuple(texts)

"""Shared by the gemini tests: recorded answers, and Google's own types as the reference.

Nothing here knows what a test expects.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from google.genai import types

from nexus.conversation.parts import Message, Part, Request, Text
from nexus.models.gemini import profile
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.gemini.write_request import write_request
from tests.protocols.kit import Recorded, published

RECORDED = Recorded("gemini")

MODELS = ("gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-3.8-flash", "gemini-4-hydrogen")

_TOP: Mapping[str, Any] = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "serviceTier": types.ServiceTier,
}


def target(model: str = "gemini-3.8-flash", **more: Any) -> Target:
    return Target(model, gemini=replace(profile(model), **more))


def check_body(body: Mapping[str, Any]) -> None:
    """Google's types accept the body and know all of its members."""
    assert body.keys() <= _TOP.keys()
    for key, value in body.items():
        published(_TOP[key]).validate_python(value)


def write(request: Request, to: Target | None = None) -> VendorRequest:
    """write_request, checked against Google's types and the rules that types cannot express."""
    written = write_request(request, to or target())
    json.dumps(written.body)
    check_body(written.body)
    contents = written.body["contents"]
    assert contents and all(content["parts"] for content in contents)
    assert all(a["role"] != b["role"] for a, b in itertools.pairwise(contents))
    assert len(set(written.dropped)) == len(written.dropped)
    return written


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def system(text: str) -> Message:
    return Message("system", (Text(text),))


def wire(*messages: Message, to: Target | None = None, **fields: Any) -> list[Any]:
    contents: list[Any] = write(Request(messages, **fields), to).body["contents"]
    return contents

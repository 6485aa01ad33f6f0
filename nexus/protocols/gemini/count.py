"""``countTokens``: the same conversation, counted instead of answered.

What is counted is exactly what ``write_request`` would send. The Gemini API takes the whole request in
``generateContentRequest``; Vertex AI takes its parts at top level. Source: ai.google.dev/api/tokens,
google.genai.types.CountTokensConfig.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.gemini.write_request import write_request
from nexus.wire import Json

_FLAT = ("contents", "systemInstruction", "tools", "generationConfig")


def write_count(request: Request, target: Target) -> VendorRequest:
    """The body of ``{model}:countTokens``."""
    written = write_request(request, target)
    if target.gemini.vertex:
        body = {key: written.body[key] for key in _FLAT if key in written.body}
    else:
        model = target.model if "/" in target.model else f"models/{target.model}"
        body = {"generateContentRequest": {"model": model} | written.body}
    return VendorRequest(body, written.dropped, written.answer_tool)


def read_count(body: Mapping[str, Json]) -> int:
    """Raises ValueError when the answer holds no count."""
    total = body.get("totalTokens")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise ValueError("the answer to countTokens holds no totalTokens")
    return total

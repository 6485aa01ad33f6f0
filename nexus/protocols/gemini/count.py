"""``countTokens``: the same conversation, counted instead of answered.

What is counted is exactly what ``write_request`` would send. The Gemini API takes the whole request in
``generateContentRequest``; Vertex AI takes its parts at top level. Source: ai.google.dev/api/tokens,
google.genai.types.CountTokensConfig.
"""

from __future__ import annotations

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target
from nexus.protocols.gemini.write_request import write_request
from nexus.wire import Json

_FLAT = ("contents", "systemInstruction", "tools", "generationConfig")


def write_count(request: Request, target: Target) -> dict[str, Json]:
    """The body of ``{model}:countTokens``."""
    body = write_request(request, target).body
    if target.gemini.vertex:
        return {key: body[key] for key in _FLAT if key in body}
    model = target.model if "/" in target.model else f"models/{target.model}"
    return {"generateContentRequest": {"model": model} | body}

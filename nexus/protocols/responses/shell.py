"""The response object around an answer: what it says of itself and of the request.

Law: every field that the published type demands is there; what the request asked for is told as it was understood,
with the tools that were kept. Instructions are not repeated. Source: openai.types.responses.Response.
"""

from __future__ import annotations

from nexus.conversation import Request
from nexus.protocols.responses.tools import write_choice, write_tools
from nexus.protocols.responses.write_request import write_format, write_thinking
from nexus.wire import Json

_NOBODY = Request(messages=())


def write_shell(response_id: str, model: str, created: int, request: Request | None) -> dict[str, Json]:
    """The object as it is while the answer is still being made."""
    asked = request or _NOBODY
    format = asked.output_format
    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": asked.max_tokens,
        "max_tool_calls": None,
        "metadata": dict(asked.metadata),
        "model": model,
        "output": [],
        "parallel_tool_calls": asked.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None} | (write_thinking(asked.thinking) if asked.thinking else {}),
        "temperature": asked.temperature,
        "text": {"format": {"type": "text"} if format is None else write_format(format)},
        "tool_choice": "auto" if asked.tool_choice is None else write_choice(asked.tool_choice, asked.tools),
        "tools": write_tools(asked.tools),
        "top_p": asked.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": asked.user,
    }

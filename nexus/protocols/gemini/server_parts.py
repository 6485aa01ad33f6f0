"""What Google ran itself in earlier turns, for another vendor's model: code, searches and its other tools.

A client may continue at another vendor a conversation that Gemini began. A call and its result become a call of a
function, which no client declared, and its result. Source: google.genai.types.ExecutableCode, CodeExecutionResult,
ToolCall and ToolResponse.
"""

from __future__ import annotations

from nexus.conversation.parts import Text, ToolResult
from nexus.protocols.checks import Body
from nexus.wire import encode, mapping, text

CALLS = ("executableCode", "toolCall")
RESULTS = ("codeExecutionResult", "toolResponse")


def server_part(wire: Body) -> str | None:
    """The member of a part that Google's own tools wrote; None for any other part."""
    return next((name for name in (*CALLS, *RESULTS) if wire.get(name) is not None), None)


def tool_of(wire: Body) -> str:
    """The name of the tool, of a call or of its result."""
    return text(wire.get("toolType")).lower() or "code_execution"


def read_arguments(kind: str, wire: Body) -> str:
    code = kind == "executableCode"
    return encode({"code": text(wire.get("code"))} if code else mapping(wire.get("args"))).decode()


def read_code_result(call_id: str, wire: Body) -> ToolResult:
    response, outcome = mapping(wire.get("response")), text(wire.get("outcome"))
    failed = outcome not in ("", "OUTCOME_OK", "OUTCOME_UNSPECIFIED")
    words = encode(response).decode() if response else text(wire.get("output")) or (outcome if failed else "")
    return ToolResult(call_id, (Text(words),) if words else (), is_error=failed)

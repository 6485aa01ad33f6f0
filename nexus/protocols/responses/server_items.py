"""What OpenAI ran itself in earlier turns, for another vendor's model: MCP calls, code and file searches.

A client may continue at another vendor a conversation that began at OpenAI. Such an item has both a call and its
result; they become a call of a function, which no client declared, and its result, with everything in it that is text.
A request for approval of an MCP call becomes a call too, and the user's decision its result; so do a program that
called the client's functions, and its output.
Source: openai.types.responses.ResponseInputItemParam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation.parts import Text, ToolCall, ToolResult
from nexus.protocols.checks import Body, Drops, a_name, maybe_bool, maybe_string
from nexus.wire import encode, mapping, sequence, text

APPROVED = "The user approved this call. If it ran, it follows with its result."
DECLINED = "The user did not approve this call."

MEMBERS = (
    *("arguments", "output", "error", "server_label", "approval_request_id"),
    *("code", "container_id", "outputs"),
    *("queries", "results"),
)
"""Members of these items that are read, or say nothing to another model."""


def read_server_item(item: Body, path: str, drops: Drops) -> tuple[ToolCall, ToolResult]:
    """Raises InvalidRequest."""
    kind = str(item["type"])
    drops.add(f"input.{kind}")
    call_id, name, failed = a_name(item, "id", path), kind.removesuffix("_call"), item.get("error") is not None
    if kind == "mcp_call":
        name = a_name(item, "name", path)
    asked, words = SERVER_ITEMS[kind](item)
    call = ToolCall(call_id, name, asked, at=path)
    return call, ToolResult(call_id, (Text(words),) if words else (), is_error=failed, at=path)


def read_approval_request(item: Body, path: str, drops: Drops) -> ToolCall:
    """Raises InvalidRequest."""
    drops.add("input.mcp_approval_request")
    return ToolCall(a_name(item, "id", path), a_name(item, "name", path), text(item.get("arguments")), at=path)


def read_approval_response(item: Body, path: str, drops: Drops) -> ToolResult:
    """Raises InvalidRequest."""
    drops.add("input.mcp_approval_response")
    call_id, reason = a_name(item, "approval_request_id", path), maybe_string(item, "reason", path)
    approved = maybe_bool(item, "approve", path) is True
    words = (APPROVED if approved else DECLINED) + (f" Reason: {reason}" if reason else "")
    return ToolResult(call_id, (Text(words),), is_error=not approved, at=path)


def read_program(item: Body, path: str, drops: Drops) -> ToolCall:
    """Raises InvalidRequest."""
    drops.add("input.program")
    return ToolCall(a_name(item, "call_id", path), "program", _code(item)[0], at=path)


def read_program_output(item: Body, path: str, drops: Drops) -> ToolResult:
    """Raises InvalidRequest."""
    drops.add("input.program_output")
    words, failed = maybe_string(item, "result", path), item.get("status") == "incomplete"
    return ToolResult(a_name(item, "call_id", path), (Text(words),) if words else (), is_error=failed, at=path)


def _mcp(item: Body) -> tuple[str, str]:
    error = item.get("error")
    said = text(item.get("output")) or text(mapping(error).get("message"))
    return text(item.get("arguments")), said or ("" if error is None else encode(error).decode())


def _code(item: Body) -> tuple[str, str]:
    outputs = map(mapping, sequence(item.get("outputs")))
    logs = [text(one.get("logs")) if one.get("type") == "logs" else f"({one.get('type')})" for one in outputs]
    return encode({"code": item.get("code")}).decode(), "\n".join(logs)


def _files(item: Body) -> tuple[str, str]:
    found = [
        f"{text(one.get('filename'))}:\n{text(one.get('text'))}" for one in map(mapping, sequence(item.get("results")))
    ]
    return encode({"queries": item.get("queries")}).decode(), "\n\n".join(found)


SERVER_ITEMS: Mapping[str, Callable[[Body], tuple[str, str]]] = {
    "mcp_call": _mcp,
    "code_interpreter_call": _code,
    "file_search_call": _files,
}
"""The arguments of the call, and the words of its result."""

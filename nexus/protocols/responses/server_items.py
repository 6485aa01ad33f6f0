"""What OpenAI ran itself in earlier turns, for another vendor's model: MCP calls, code and file searches.

A client may continue at another vendor a conversation that began at OpenAI. Such an item has both a call and its
result; they become a call of a function, which no client declared, and its result, with everything in it that is text.
A request for approval of an MCP call becomes a call too, and the user's decision its result; so do a program that
called the client's functions, and its output. Source: openai.types.responses.ResponseInputItemParam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nexus.conversation.parts import Text, ToolCall, ToolResult
from nexus.protocols.checks import Body, Drops, a_name, maybe_bool, maybe_string
from nexus.wire import encode, mapping, sequence, text

APPROVED = "The user approved this call. If it ran, it follows with its result."
DECLINED = "The user did not approve this call."

_RUN = (
    *("arguments", "output", "error", "server_label", "approval_request_id"),
    *("code", "container_id", "outputs"),
    *("queries", "results"),
)


def read_server_item(item: Body, path: str, drops: Drops) -> Iterator[ToolCall | ToolResult]:
    """The call that an item is, its result, or both. Raises InvalidRequest."""
    drops.add(f"input.{item['type']}")
    return SERVER_ITEMS[item["type"]][0](item, path)


def _read_run(item: Body, path: str) -> Iterator[ToolCall | ToolResult]:
    kind = item["type"]
    call_id, failed = a_name(item, "id", path), item.get("error") is not None
    name = a_name(item, "name", path) if kind == "mcp_call" else kind.removesuffix("_call")
    arguments, words = _RUN_READERS[kind](item)
    yield ToolCall(call_id, name, arguments, at=path)
    yield _result(call_id, words, failed, path)


def _result(call_id: str, words: str | None, failed: bool, path: str) -> ToolResult:
    return ToolResult(call_id, (Text(words),) if words else (), is_error=failed, at=path)


def _read_request(item: Body, path: str) -> Iterator[ToolCall]:
    yield ToolCall(a_name(item, "id", path), a_name(item, "name", path), text(item.get("arguments")), at=path)


def _read_decision(item: Body, path: str) -> Iterator[ToolResult]:
    call_id, reason = a_name(item, "approval_request_id", path), maybe_string(item, "reason", path)
    approved = maybe_bool(item, "approve", path) is True
    words = (APPROVED if approved else DECLINED) + (f" Reason: {reason}" if reason else "")
    yield _result(call_id, words, not approved, path)


def _read_program(item: Body, path: str) -> Iterator[ToolCall]:
    yield ToolCall(a_name(item, "call_id", path), "program", _code(item)[0], at=path)


def _read_output(item: Body, path: str) -> Iterator[ToolResult]:
    words, failed = maybe_string(item, "result", path), item.get("status") == "incomplete"
    yield _result(a_name(item, "call_id", path), words, failed, path)


def _mcp(item: Body) -> tuple[str, str]:
    error = item.get("error")
    output = text(item.get("output")) or text(mapping(error).get("message"))
    return text(item.get("arguments")), output or ("" if error is None else encode(error).decode())


def _code(item: Body) -> tuple[str, str]:
    outputs = map(mapping, sequence(item.get("outputs")))
    logs = [text(one.get("logs")) if one.get("type") == "logs" else f"({one.get('type')})" for one in outputs]
    return encode({"code": item.get("code")}).decode(), "\n".join(logs)


def _files(item: Body) -> tuple[str, str]:
    found = [
        f"{text(one.get('filename'))}:\n{text(one.get('text'))}" for one in map(mapping, sequence(item.get("results")))
    ]
    return encode({"queries": item.get("queries")}).decode(), "\n\n".join(found)


_RUN_READERS: Mapping[str, Callable[[Body], tuple[str, str]]] = {
    "mcp_call": _mcp,
    "code_interpreter_call": _code,
    "file_search_call": _files,
}
"""The arguments of the call, and the words of its result."""

SERVER_ITEMS: Mapping[str, tuple[Callable[[Body, str], Iterator[ToolCall | ToolResult]], *tuple[str, ...]]] = {
    **dict.fromkeys(_RUN_READERS, (_read_run, *_RUN)),
    "mcp_approval_request": (_read_request, "arguments", "server_label"),
    "mcp_approval_response": (_read_decision, "approval_request_id", "approve", "reason"),
    "program": (_read_program, "code", "fingerprint"),
    "program_output": (_read_output, "result"),
}
"""How each type is read, and its own members, including those that say nothing to another model."""

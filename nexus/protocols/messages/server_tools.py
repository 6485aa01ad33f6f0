"""What Anthropic's servers did in earlier turns, for another vendor's model: calls of server tools and MCP servers with
their results, and compaction.

A client may continue at another vendor a conversation that Claude began. Other vendors do not have these blocks, but
what they say is part of the conversation: the pages that were found, what code printed, the summary that replaced
everything before it. A call and its result become a call of a function and its result, which no client declared; the
result's readable content becomes text, and encrypted content is lost. Source: anthropic.types.beta
BetaContentBlockParam (SDK 2.12).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from nexus.conversation.parts import Message, Part, Role, Text, ToolResult
from nexus.dataclasses import dataclass
from nexus.protocols.checks import Body
from nexus.wire import Json, encode, mapping, sequence, text

CALLS = ("server_tool_use", "mcp_tool_use")
RESULTS = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "advisor_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "mcp_tool_result",
)
COMPACTION = "compaction"
_WITHOUT_WORDS = frozenset({"tool_search_tool_result", "mcp_tool_listing", "fallback"})
"""Blocks that say nothing to another model: its request lists the tools, and a ``fallback`` only marks
where another Anthropic model took over the answer."""

_TOOL_SEARCH = "tool_search_tool_"
_SUMMARY = "Summary of the conversation so far:\n\n"
_BOOKKEEPING = ("type", "page_age", "retrieved_at", "citations", "file_type", "is_file_update", "tool_use_id")


def is_wordless(block: Body) -> bool:
    kind = text(block.get("type"))
    searches = kind == "server_tool_use" and text(block.get("name")).startswith(_TOOL_SEARCH)
    return searches or kind in _WITHOUT_WORDS or (kind == COMPACTION and not block.get("content"))


def read_result(block: Body) -> ToolResult:
    content = block.get("content")
    failed = block.get("is_error") is True or text(mapping(content).get("type")).endswith("_error")
    return ToolResult(text(block.get("tool_use_id")), (Text(words_of(content)),), is_error=failed)


@dataclass(frozen=True, slots=True)
class Summary(Text):
    """The text by which a compaction replaced everything before it."""


def read_summary(block: Body) -> Summary:
    return Summary(_SUMMARY + text(block.get("content")))


def since_compaction(messages: Sequence[Json]) -> dict[int, Json]:
    """The messages that count, by their positions: Anthropic ignores everything before the last compaction, unless that
    failed and has no summary."""
    for at in range(len(messages) - 1, -1, -1):
        blocks = sequence(mapping(messages[at]).get("content"))
        for index in range(len(blocks) - 1, -1, -1):
            block = mapping(blocks[index])
            if block.get("type") == COMPACTION and block.get("content"):
                rest: list[Json] = [*[{"type": COMPACTION}] * index, *blocks[index:]]
                return {at: {**mapping(messages[at]), "content": rest}, **dict(enumerate(messages[at + 1 :], at + 1))}
    return dict(enumerate(messages))


def turns(role: Role, parts: Sequence[Part], at: str) -> list[Message]:
    """One message, or several: results of server tools follow their calls in a turn of the user, as results of
    functions do, and a summary is the user's."""
    messages: list[Message] = []
    for users, group in itertools.groupby(parts, lambda part: role == "assistant" and isinstance(part, _USERS)):
        messages.append(Message("user" if users else role, tuple(group), at=at))
    return messages or [Message(role, (), at=at)]


_USERS = (ToolResult, Summary)


def words_of(value: Json) -> str:
    """The readable text of a result's content."""
    match value:
        case str():
            return value
        case list():
            return "\n".join(filter(None, map(words_of, value)))
        case dict():
            return _block_words(value)
        case _:
            return ""


def _block_words(block: Body) -> str:
    match block.get("type"):
        case "text":
            return text(block.get("text"))
        case "web_search_result":
            return f"- {text(block.get('title'))}: {text(block.get('url'))}"
        case "web_fetch_result":
            return "\n".join(filter(None, (text(block.get("url")), words_of(block.get("content")))))
        case "document":
            source = mapping(block.get("source"))
            body = words_of(source.get("content")) or text(source.get("data"))
            words = body if source.get("type") in ("text", "content") else f"({text(source.get('media_type'))})"
            return "\n".join(filter(None, (text(block.get("title")), words)))
        case _:
            return _rest(block)


def _rest(block: Body) -> str:
    """Errors, and results with members such as ``stdout``, named as Anthropic names them."""
    members = {
        name: value
        for name, value in block.items()
        if name not in _BOOKKEEPING and not name.startswith("encrypted_") and value not in (None, "", [])
    }
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else encode(value).decode()}" for name, value in members.items()
    )

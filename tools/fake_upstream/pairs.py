"""OpenAI's and Anthropic's checks of a history of tool calls: unpaired calls and results, and ids that are not allowed.

Pure. One message per problem, in the vendor's wording. Sources: the errors of both APIs as clients report them, such as
"tool_use ids were found without tool_result blocks immediately after"; for Anthropic's ids cc-switch #1181, opencode
#1279 and claude-code-hub #470; for callers vercel/ai #12504; for system messages CLIProxyAPI #5422.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LONGEST_CHAT_ID = 40
CLAUDE_IDS = {
    "tool_use": ("id", "^[a-zA-Z0-9_-]+$"),
    "tool_result": ("tool_use_id", "^[a-zA-Z0-9_-]+$"),
    "server_tool_use": ("id", "^srvtoolu_[a-zA-Z0-9_]+$"),
}
"""The name of the id and its pattern, by the type of the block."""


def chat_problems(messages: list[Any]) -> Iterator[str]:
    """Problems in chat completions: all results of an answer must follow it immediately, each once."""
    waiting: list[str] = []
    for at, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            id = message.get("tool_call_id")
            if id not in waiting:
                yield f"messages.{at}: messages with role 'tool' must be a response to a message with 'tool_calls'"
            else:
                waiting.remove(id)
            continue
        if waiting:
            yield f"messages.{at}: tool_call_ids did not have response messages: {', '.join(waiting)}"
        calls = message.get("tool_calls") or [] if role == "assistant" else []
        waiting = [call["id"] for call in calls]
        for id in waiting:
            if len(id) > LONGEST_CHAT_ID:
                yield f"messages.{at}.tool_calls: string too long, expected at most {LONGEST_CHAT_ID}: {id}"
        if len(set(waiting)) < len(waiting):
            yield f"messages.{at}.tool_calls: two calls have one id"
    if waiting:
        yield f"tool_call_ids did not have response messages: {', '.join(waiting)}"


def messages_problems(messages: list[Any]) -> Iterator[str]:
    """Problems in Anthropic's messages: the next turn must hold a result for each call, and no other results."""
    waiting: list[str] = []
    served: set[str] = set()
    for at, message in enumerate(messages):
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        if message.get("role") == "system":
            following = messages[at + 1].get("role") if at + 1 < len(messages) else "assistant"
            if following == "user":
                yield f"messages.{at}: role 'system' must precede an 'assistant' message or end the array"
            continue
        yield from _claude_ids(blocks, f"messages.{at}.content")
        served |= {block["id"] for block in blocks if block.get("type") == "server_tool_use"}
        for block in blocks:
            source = (block.get("caller") or {}).get("tool_id", "")
            if block.get("type") == "tool_use" and source and source not in served:
                yield f"messages.{at}: source tool `{source}` not found for tool use block `{block['id']}`"
        results = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
        if missing := [id for id in waiting if id not in results]:
            yield f"messages.{at}: `tool_use` ids without `tool_result` blocks immediately after: {', '.join(missing)}"
        if more := [id for id in results if id not in waiting]:
            yield f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(more)}"
        if len(set(results)) < len(results):
            yield f"messages.{at}: each tool_use must have a single result"
        waiting = [block["id"] for block in blocks if block.get("type") == "tool_use"]
    if waiting:
        yield f"messages: `tool_use` ids without `tool_result` blocks immediately after: {', '.join(waiting)}"


def _claude_ids(blocks: list[Any], place: str) -> Iterator[str]:
    used: set[str] = set()
    for at, block in enumerate(blocks):
        kind = block.get("type")
        if kind not in CLAUDE_IDS:
            continue
        name, pattern = CLAUDE_IDS[kind]
        if not re.fullmatch(pattern, block[name]):
            yield f"{place}.{at}.{kind}.{name}: String should match pattern '{pattern}'"
        if kind == "tool_use" and block[name] in used:
            yield f"{place}.{at}: `tool_use` ids must be unique"
        if kind == "tool_use":
            used.add(block[name])

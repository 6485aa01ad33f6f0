"""Claude Code's requests: headers, a first question, and a session with tools, thinking and all newer features.

Shapes, names and values are those that Claude Code 2.1.197 sends, and those announced for later releases; no gateway
can know the ``future`` parts yet. The mark in the last message identifies a request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

CONTEXT, EFFORT, SCHEMAS = "context-management-2025-06-27", "effort-2025-11-24", "structured-outputs-2025-12-15"
BUDGET, SEARCH, SYSTEM = "task-budgets-2026-03-13", "advanced-tool-use-2025-11-20", "mid-conversation-system-2026-04-07"
TTL, OAUTH, FUTURE = "extended-cache-ttl-2025-04-11", "oauth-2025-04-20", "made-up-for-later-2031-01-01"
BASIC = (
    "claude-code-20250219",
    "interleaved-thinking-2025-05-14",
    "thinking-token-count-2026-05-13",
    CONTEXT,
    "prompt-caching-scope-2026-01-05",
)
BETAS = (*BASIC, SYSTEM, EFFORT, SEARCH, SCHEMAS, BUDGET, TTL)

CACHED: Body = {"type": "ephemeral"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
SESSION = "5d0ff7c5-6f3c-4f0e-9a51-2f1d9b2d7a10"
SIGNATURE = "EqQBCkYIBxgCKkDkA3vGq5N0n+uL/9dQ2mJxU0h=="
TEXT = "It\u2019s caf\u00e9 time \u2026 \U0001f600 \u2028 <system-reminder>keep me</system-reminder>"
"""Characters that careless re-encoding changes."""


_EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}


def headers(*betas: str) -> dict[str, str]:
    return {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": ",".join(betas),
        "anthropic-dangerous-direct-browser-access": "true",
        "content-type": "application/json",
        "user-agent": "claude-cli/2.1.197 (external, cli)",
        "x-app": "cli",
        "x-claude-code-session-id": SESSION,
        "x-stainless-lang": "js",
        "x-stainless-retry-count": "0",
    }


def encode(body: Mapping[str, Any]) -> bytes:
    """The body as JSON, as JavaScript serialises it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def is_old(model: str) -> bool:
    """Whether Claude Code leaves out the newest features for this model, by its name in any spelling."""
    return any(name in model.lower() for name in ("sonnet-4-5", "haiku-4-5"))


def question(model: str, mark: str) -> tuple[Body, tuple[str, ...]]:
    """A first turn as Claude Code sends it for this model, and its betas."""
    body: Body = {"model": model, "max_tokens": 32000, "system": _system(), "tools": _tools(), "metadata": _metadata()}
    body["messages"] = [{"role": "user", "content": [{"type": "text", "text": f"Say hello, nothing else. ({mark})"}]}]
    body["context_management"] = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    if is_old(model):
        body["thinking"] = {"type": "enabled", "budget_tokens": 31999}
        return body | {"stream": True}, BASIC
    body |= {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "stream": True}
    return body, (*BASIC, EFFORT)


def session(model: str, mark: str) -> Body:
    """A later turn with everything that ``BETAS`` allow."""
    body, _ = question(model, mark)
    marked = {"type": "text", "text": f"Say hello, nothing else. ({mark})", "cache_control": CACHED}
    body["thinking"] = {"type": "adaptive"}
    body["output_config"] = {"effort": "high", "task_budget": {"type": "tokens", "total": 50000}}
    body["output_config"]["format"] = {"type": "json_schema", "schema": _EMPTY}
    body["tools"] = [*_tools(), *_new_tools()]
    body["messages"] = [*_history(), {"role": "user", "content": [marked]}]
    # The API rejects an hour after five minutes.
    for block in (*body.get("tools", ()), *body["system"]):
        if "cache_control" in block:
            block["cache_control"] = CACHED | {"ttl": "1h"}
    return body


def future(model: str, mark: str) -> Body:
    """A session of a made-up later release, with unknown fields."""
    body = session(model, mark)
    body["made_up_field"] = {"nested": [1, 2.5, None], "on": True}
    body["tools"][0]["made_up_tool_field"] = "x"
    body["system"][1]["cache_control"]["made_up_scope"] = "global"
    body["messages"][-1]["content"].insert(0, {"type": "made_up_block", "payload": {"deep": [{"a": "b"}]}})
    return body


def _metadata() -> Body:
    user = {"device_id": "d" * 64, "account_uuid": "", "session_id": SESSION}
    return {"user_id": json.dumps(user, separators=(",", ":"))}


def _system() -> list[Body]:
    return [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.4f2; cc_entrypoint=cli; cch=00000;"},
        {
            "type": "text",
            "text": "You are Claude Code, Anthropic's official CLI for Claude.",
            "cache_control": dict(CACHED),
        },
        {
            "type": "text",
            "text": f"You help with software engineering tasks.\n\n# Environment\n{TEXT}\n" + "Be brief.\n" * 40,
            "cache_control": dict(CACHED),
        },
    ]


def _tool(name: str, description: str, **properties: str) -> Body:
    schema = {
        "$schema": DRAFT,
        "type": "object",
        "properties": {field: {"type": kind} for field, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"name": name, "description": description, "input_schema": schema}


def _tools() -> list[Body]:
    return [
        _tool("Bash", "Runs a command in a shell.", command="string", timeout="number"),
        _tool("Read", "Reads a file.", file_path="string", offset="integer"),
        _tool("Write", "Writes a file.", file_path="string", content="string") | {"cache_control": dict(CACHED)},
    ]


def _new_tools() -> list[Body]:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    late = _tool("mcp__notes__find", "Finds a note.", words="string")
    return [
        _tool("Edit", "Edits a file.", file_path="string") | {"strict": True},
        search,
        late | {"defer_loading": True},
    ]


def _history() -> list[Body]:
    """Earlier turns, odd on purpose: empty thinking, an empty text, an odd call id, results in another order."""
    first = [{"type": "text", "text": TEXT}, {"type": "text", "text": "Look around."}]
    news = [{"type": "text", "text": "The working folder is /tmp/x.", "cache_control": dict(CACHED)}]
    thought = {"type": "thinking", "thinking": "First the folder,\nthen \u201cthe file\u201d.", "signature": SIGNATURE}
    calls = [
        {"type": "tool_use", "id": "toolu_01A", "name": "Bash", "input": {"command": "ls", "timeout": 1.0}},
        {"type": "tool_use", "id": "functions-Read_0", "name": "Read", "input": {"file_path": "/tmp/x/caf\u00e9.png"}},
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
    results = [
        {"type": "tool_result", "tool_use_id": "functions-Read_0", "content": [{"type": "text", "text": "a"}, image]},
        {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "no such folder", "is_error": True},
        document,
    ]
    found = [{"type": "tool_reference", "tool_name": "mcp__notes__find"}]
    return [
        {"role": "user", "content": first},
        {"role": "system", "content": news},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "I look."}, *calls]},
        {"role": "user", "content": results},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": SIGNATURE[::-1]},
                {"type": "text", "text": ""},
                {"type": "tool_use", "id": "toolu_02", "name": "Bash", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_02", "content": found, "cache_control": dict(CACHED)}
            ],
        },
        {"role": "assistant", "content": "Done."},
    ]

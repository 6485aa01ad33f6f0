"""Converse's checks beyond its types.

Runs on bodies with valid types. The vendor rejects each violation with ValidationException; the messages are the
vendor's, if known. Images in tool results are only for the models that the service model's note and opencode #49443
name. Not imitated: other rules of single models (prefill).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.fake_upstream.parts import is_foreign

DOCUMENT_NAME = re.compile(r"[A-Za-z0-9()\[\]-]+(?: [A-Za-z0-9()\[\]-]+)*")
ONLY = {"toolUse": "assistant", "reasoningContent": "assistant", "toolResult": "user", "image": "user"} | {
    "document": "user",
    "video": "user",
    "audio": "user",
}


SEES_RESULTS = re.compile(r"anthropic\.claude|amazon\.nova|meta\.llama4")
ALONE = re.compile(r"(meta|writer|mistral)\.(llama|palmyra|mistral-large-24|mistral-small-24|pixtral)")
"""Models that accept tool blocks only in turns of their own (langchain-aws 141 and 1118, pydantic-ai 6098)."""
NOVAS_KEYS = {"type", "properties", "required"}


def semantic_problems(body: Mapping[str, Any], model: str) -> Iterator[str]:
    messages = body.get("messages") or []
    if not SEES_RESULTS.search(model) and any(_images_in_results(messages)):
        yield "This model doesn't support the image field for user messages. Remove image and try again."
    yield from _roles(messages)
    for turn, message in enumerate(messages):
        yield from _content(message, f"messages.{turn}")
        if ALONE.search(model):
            yield from _mixed(message["content"], f"messages.{turn}.content")
    yield from _tool_turns(messages)
    yield from _tool_config(body.get("toolConfig"), messages, model)
    for index, block in enumerate(body.get("system") or ()):
        if "text" in block and not block["text"].strip():
            yield f"system.{index}: The text field in the ContentBlock object is blank."


def _roles(messages: list[Any]) -> Iterator[str]:
    if not messages:
        yield "messages: A conversation must start with a user message."
    before = "assistant"
    for turn, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            yield f"messages.{turn}.role: this model takes no messages of role {message['role']}"
        elif message["role"] == before:
            yield f"messages.{turn}: " + (
                "A conversation must alternate between user and assistant roles."
                if turn
                else "A conversation must start with a user message."
            )
        before = message["role"]


def _content(message: Mapping[str, Any], here: str) -> Iterator[str]:
    blocks = message["content"]
    if not blocks:
        yield f"{here}.content: The content field in the Message object is empty."
    for index, block in enumerate(blocks):
        place = f"{here}.content.{index}"
        if "text" in block and not block["text"].strip():
            yield f"{place}: The text field in the ContentBlock object is blank. Add text to the text field."
        for kind in block:
            if ONLY.get(kind, message["role"]) != message["role"]:
                yield f"{place}.{kind}: belongs into a message of the {ONLY[kind]}"
        signature = block.get("reasoningContent", {}).get("reasoningText", {}).get("signature", "")
        if is_foreign(signature, "converse", "anthropic"):
            yield f"{place}.reasoningContent: Invalid `signature` in `thinking` block"
        if "toolUse" in block and not isinstance(block["toolUse"]["input"], dict):
            yield f"{place}.toolUse.input: The value is not a JSON object."
    yield from _documents(blocks, here)


def _mixed(blocks: list[Any], here: str) -> Iterator[str]:
    for kind, name in (("toolUse", "use"), ("toolResult", "result")):
        if 0 < sum(kind in block for block in blocks) < len(blocks):
            yield f"{here}: Conversation blocks and tool {name} blocks cannot be provided in the same turn."


def _documents(blocks: list[Any], here: str) -> Iterator[str]:
    names = [block["document"]["name"] for block in blocks if "document" in block]
    if names and not any("text" in block for block in blocks):
        yield f"{here}.content: a text block must go with a document"
    for name in names:
        if not DOCUMENT_NAME.fullmatch(name):
            yield f"{here}.content: The document file name {name!r} has characters or spaces that are not allowed."
    if len(set(names)) < len(names):
        yield f"{here}.content: two documents have the same name"


def _tool_turns(messages: list[Any]) -> Iterator[str]:
    """Problems with tool results: the turn after the calls must hold all of them, and no other turn may hold any."""
    due: list[str] = []
    for turn, message in enumerate(messages):
        given = _ids(message, "toolResult")
        if missing := [name for name in due if name not in given]:
            yield f"messages.{turn}.content: Expected toolResult blocks for the following Ids: {', '.join(missing)}"
        if len(given) > len(due):
            yield (
                f"messages.{turn}.content: The number of toolResult blocks exceeds the number of toolUse blocks of "
                "previous turn."
            )
        if len(set(given)) < len(given):
            yield f"messages.{turn}.content: two toolResult blocks have the same Id"
        due = _ids(message, "toolUse")
        if len(set(due)) < len(due):
            yield f"messages.{turn}.content: two toolUse blocks have the same Id"


def _images_in_results(messages: list[Any]) -> Iterator[bool]:
    for message in messages:
        for block in message["content"]:
            yield any("image" in piece for piece in block.get("toolResult", {}).get("content", ()))


def _ids(message: Mapping[str, Any], kind: str) -> list[str]:
    return [block[kind]["toolUseId"] for block in message["content"] if kind in block]


def _tool_config(config: Mapping[str, Any] | None, messages: list[Any], model: str) -> Iterator[str]:
    if config is None:
        if any("toolUse" in block or "toolResult" in block for message in messages for block in message["content"]):
            yield ("toolConfig: The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    names = [tool["toolSpec"]["name"] for tool in config["tools"] if "toolSpec" in tool]
    if len(set(names)) < len(names):
        yield "toolConfig.tools: two tools have the same name"
    if not names and not any("systemTool" in tool for tool in config["tools"]):
        yield "toolConfig.tools: there is no tool"
    for index, tool in enumerate(config["tools"]):
        schema = tool.get("toolSpec", {}).get("inputSchema", {}).get("json", {})
        if "toolSpec" in tool and (not isinstance(schema, dict) or schema.get("type") != "object"):
            yield f"toolConfig.tools.{index}.toolSpec.inputSchema.json.type: must be object"
        for key in schema.keys() - NOVAS_KEYS if "amazon.nova" in model else ():
            yield f"#/toolConfig/tools/{index}/toolSpec/inputSchema/json: extraneous key [{key}] is not permitted"
    wanted = config.get("toolChoice", {}).get("tool", {}).get("name")
    if wanted is not None and wanted not in names:
        yield f"toolConfig.toolChoice.tool.name: {wanted!r} is not among the tools"

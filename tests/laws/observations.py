"""What a vendor would find in a body: words, calls, results and media, read without any code of the gateway.

Uses only the vendors' published field names: a body in a vendor's dialect in, a common picture out.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nexus.models import bedrock, claude, gemini, gpt
from nexus.protocols.chat.write_messages import ERROR_MARK


@dataclass
class Result:
    """The answer to the call with that number."""

    call: int
    words: str
    is_error: bool


@dataclass
class Observations:
    """Everything in the order of the body; results refer to calls by id, or by name if there is no id."""

    words: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    tools: dict[str, tuple[str | None, Any]] = field(default_factory=dict)
    _role: str = ""
    _first: int = 0

    def turn(self, role: str) -> None:
        """Results answer calls of the assistant's latest turn only."""
        role = "assistant" if role in ("assistant", "model") else "user"
        if role == "assistant" and self._role != role:
            self._first = len(self.calls)
        self._role = role

    def call(self, call_id: str | None, name: str, arguments: Any) -> None:
        self.calls.append((name, arguments))
        self.ids.append(call_id)

    def result(self, call_id: str | None, name: str, words: str, is_error: bool) -> None:
        answered = {result.call for result in self.results}
        open_calls = [at for at in range(self._first, len(self.calls)) if at not in answered]
        if call_id is not None:
            found = [at for at in open_calls if self.ids[at] == call_id]
        else:
            found = [at for at in open_calls if self.calls[at][0] == name]
        assert found, f"a result without its call: {call_id or name}"
        self.results.append(Result(found[0], words, is_error))


def observe(vendor: str, body: Mapping[str, Any]) -> Observations:
    picture = Observations()
    _LOOKS[vendor](picture, body)
    return picture


def renamed(vendor: str, name: str) -> str:
    """The tool's name at that vendor."""
    rule = _RULES[vendor]
    return name if rule.fits(name) else rule.short(name)


_RULES = {
    "chat": gpt.TOOL_NAMES,
    "messages": claude.TOOL_NAMES,
    "gemini": gemini.TOOL_NAMES,
    "converse": bedrock.TOOL_NAMES,
}


def strings(value: Any) -> Iterator[str]:
    """Every name and every string in a JSON value."""
    match value:
        case str():
            yield value
        case Mapping():
            for name, inner in value.items():
                yield name
                yield from strings(inner)
        case list():
            for inner in value:
                yield from strings(inner)
        case _:
            pass


def arguments(text: str) -> Any:
    """The parsed arguments; invalid JSON from a model stays text."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def haystack(body: Any) -> str:
    """All strings of the body, and the decoded text of its base64."""
    found = list(strings(body))
    return "\0".join([*found, *map(_decoded, found)])


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True).decode()
    except ValueError:
        return ""


def _chat(picture: Observations, body: Mapping[str, Any]) -> None:
    for tool in body.get("tools", ()):
        function = tool["function"]
        picture.tools[function["name"]] = function.get("description"), function.get("parameters")
    for message in body["messages"]:
        picture.turn(message["role"])
        content = message.get("content") or []
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        words = [part["text"] for part in content if part["type"] == "text"]
        if message["role"] == "tool":
            told = "\0".join(words)
            picture.result(message["tool_call_id"], "", told.removeprefix(ERROR_MARK), told.startswith(ERROR_MARK))
            continue
        picture.words += words
        for part in content:
            if part["type"] == "image_url":
                picture.media.append(part["image_url"]["url"].rpartition(",")[2])
            elif part["type"] == "file":
                picture.media.append(part["file"]["file_data"].rpartition(",")[2])
        for call in message.get("tool_calls", ()):
            picture.call(call["id"], call["function"]["name"], arguments(call["function"]["arguments"]))


def _messages(picture: Observations, body: Mapping[str, Any]) -> None:
    for tool in body.get("tools", ()):
        picture.tools[tool["name"]] = tool.get("description"), tool["input_schema"]
    picture.words += [block["text"] for block in body.get("system", ())]
    for message in body["messages"]:
        picture.turn(message["role"])
        for block in message["content"]:
            match block["type"]:
                case "text":
                    picture.words.append(block["text"])
                case "tool_use":
                    picture.call(block["id"], block["name"], block["input"])
                case "tool_result":
                    inner = block.get("content", [])
                    told = "\0".join(one["text"] for one in inner if one["type"] == "text")
                    picture.result(block["tool_use_id"], "", told, block.get("is_error", False))
                    picture.media += [_claude_source(one) for one in inner if one["type"] != "text"]
                case "image" | "document":
                    picture.media.append(_claude_source(block))


def _claude_source(block: Mapping[str, Any]) -> str:
    return str(block["source"].get("data") or block["source"].get("url"))


def _gemini(picture: Observations, body: Mapping[str, Any]) -> None:
    for declarations in body.get("tools", ()):
        for tool in declarations["functionDeclarations"]:
            schema = tool.get("parametersJsonSchema", tool.get("parameters"))
            picture.tools[tool["name"]] = tool.get("description"), schema
    for content in [{"role": "user", "parts": []} | body.get("systemInstruction", {}), *body["contents"]]:
        picture.turn(content["role"])
        for part in content["parts"]:
            if "functionCall" in part:
                call = part["functionCall"]
                picture.call(call.get("id"), call["name"], call["args"])
            elif "functionResponse" in part:
                told = part["functionResponse"]
                words = "\0".join(strings(told["response"]))
                picture.result(told.get("id"), told["name"], words, "error" in told["response"])
                picture.media += [inner["inlineData"]["data"] for inner in told.get("parts", ())]
            elif not part.get("thought"):
                picture.words += [part["text"]] if "text" in part else []
                picture.media += [part["inlineData"]["data"]] if "inlineData" in part else []
                picture.media += [part["fileData"]["fileUri"]] if "fileData" in part else []


def _converse(picture: Observations, body: Mapping[str, Any]) -> None:
    for tool in body.get("toolConfig", {}).get("tools", ()):
        if "toolSpec" in tool:
            spec = tool["toolSpec"]
            picture.tools[spec["name"]] = spec.get("description"), spec["inputSchema"]["json"]
    picture.words += [block["text"] for block in body.get("system", ()) if "text" in block]
    for message in body["messages"]:
        picture.turn(message["role"])
        for block in message["content"]:
            if "toolUse" in block:
                picture.call(block["toolUse"]["toolUseId"], block["toolUse"]["name"], block["toolUse"]["input"])
            elif "toolResult" in block:
                told = block["toolResult"]
                words = "\0".join(strings([inner for inner in told["content"] if "text" in inner or "json" in inner]))
                is_error = told.get("status") == "error" or "The tool call failed." in words or "error\0" in words
                picture.result(told["toolUseId"], "", words, is_error)
                picture.media += [data for inner in told["content"] for data in _converse_media(inner)]
            else:
                picture.words += [block["text"]] if "text" in block else []
                picture.media += _converse_media(block)


def _converse_media(block: Mapping[str, Any]) -> list[str]:
    return [block[kind]["source"]["bytes"] for kind in ("image", "document") if kind in block]


_LOOKS: Mapping[str, Callable[[Observations, Mapping[str, Any]], None]] = {
    "chat": _chat,
    "messages": _messages,
    "gemini": _gemini,
    "converse": _converse,
}

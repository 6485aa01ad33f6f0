"""Answers of Converse and ConverseStream.

Pure functions from a request and a Behaviour to values in the service model's shapes. In an answer that is not
streamed, a call with invalid arguments becomes ``malformed_tool_use`` without the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tools.fake_upstream.behaviour import Behaviour, plan
from tools.fake_upstream.parts import Call, Part, Text, Thinking, call_ids, signature_of
from tools.fake_upstream.vendors import pieces

LATENCY = 42
Event = tuple[str, dict[str, Any]]


def whole(body: dict[str, Any], behaviour: Behaviour, serial: int) -> dict[str, Any]:
    parts = _identified(body, behaviour, serial)
    blocks = [_block(part, identity) for part, identity in parts if not _is_broken(part)]
    stop = _stop(behaviour, parts)
    if behaviour.stop_reason is None and any(_is_broken(part) for part, _ in parts):
        stop["stopReason"] = "malformed_tool_use"
    message = {"message": {"role": "assistant", "content": blocks}}
    return {"output": message, "metrics": {"latencyMs": LATENCY}, "usage": usage(behaviour)} | stop


def events(body: dict[str, Any], behaviour: Behaviour, serial: int) -> Iterator[Event]:
    """The events of a stream, messageStart first. Text and reasoning blocks have no start event."""
    parts = _identified(body, behaviour, serial)
    yield "messageStart", {"role": "assistant"}
    tracks = [list(_track(part, identity, index)) for index, (part, identity) in enumerate(parts)]
    yield from chain.from_iterable(tracks)
    yield "messageStop", _stop(behaviour, parts)
    yield "metadata", {"usage": usage(behaviour), "metrics": {"latencyMs": LATENCY}}


def usage(behaviour: Behaviour) -> dict[str, Any]:
    """Token counts, all disjoint; the total is their sum."""
    counts = {
        "inputTokens": behaviour.input_tokens,
        "outputTokens": behaviour.output_tokens,
        "cacheReadInputTokens": behaviour.cached_tokens,
        "cacheWriteInputTokens": behaviour.cache_write_tokens,
    }
    return counts | {"totalTokens": sum(counts.values())}


def _identified(body: dict[str, Any], behaviour: Behaviour, serial: int) -> list[tuple[Part, str]]:
    tools = (body.get("toolConfig") or {}).get("tools") or ()
    parts = plan(behaviour, next((tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool), None))
    return list(zip(parts, call_ids(parts, f"tooluse_{serial:020d}"), strict=True))


def _stop(behaviour: Behaviour, parts: list[tuple[Part, str]]) -> dict[str, Any]:
    called = any(isinstance(part, Call) for part, _ in parts)
    return {"stopReason": behaviour.stop_reason or ("tool_use" if called else "end_turn")}


def _is_broken(part: Part) -> bool:
    return isinstance(part, Call) and part.value is None


def _block(part: Part, identity: str) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case Thinking(text):
            signature = signature_of(part, "converse")
            return {
                "reasoningContent": {"reasoningText": {"text": text} | ({"signature": signature} if signature else {})}
            }
        case Call(name):
            return {"toolUse": {"toolUseId": identity, "name": name, "input": part.value}}


def _track(part: Part, identity: str, index: int) -> Iterator[Event]:
    """The events of one block."""
    where = {"contentBlockIndex": index}
    deltas: list[dict[str, Any]] = []
    match part:
        case Text(text):
            deltas = [{"text": piece} for piece in pieces(text)]
        case Thinking(text):
            deltas = [{"reasoningContent": {"text": piece}} for piece in pieces(text)]
            if signature := signature_of(part, "converse"):
                deltas.append({"reasoningContent": {"signature": signature}})
        case Call(name, arguments):
            yield "contentBlockStart", {"start": {"toolUse": {"toolUseId": identity, "name": name}}} | where
            deltas = [{"toolUse": {"input": piece}} for piece in pieces(arguments)]
    for delta in deltas:
        yield "contentBlockDelta", {"delta": delta} | where
    yield "contentBlockStop", where

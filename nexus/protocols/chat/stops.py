"""Stop reasons: ``finish_reason`` to the neutral stop and back.

Sources: OpenAI's API reference; ``stop_reason`` as vLLM and ``matched_stop`` as SGLang put it next to
``finish_reason``; ``model_length`` and ``error`` as Mistral sends them; ``end`` (pi #2107), and ``end_turn`` (xAI's
legacy completions, bedrock-access-gateway #11); Anthropic's words, which some servers pass on; Z.AI's ``sensitive``,
``network_error`` and ``model_context_window_exceeded``, and DeepSeek's ``insufficient_system_resource``, from their
references.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Stop, StopReason
from nexus.protocols.native_reason import native_reason
from nexus.wire import Json, text

_READ: Mapping[str, StopReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end", "end_turn"), "end"),
    **dict.fromkeys(("length", "max_tokens"), "max_tokens"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_use"),
    **dict.fromkeys(("content_filter", "sensitive"), "content_filter"),
    **dict.fromkeys(("model_length", "model_context_window_exceeded"), "context_window"),
}

_BROKEN = frozenset(
    {"error", "network_error", "insufficient_system_resource", "abort", "tool_calls", "tool_use", "function_call"}
)

_WRITE: Mapping[StopReason, str] = {
    "end": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    # The answer is not finished and the client may continue, which "length" tells it.
    "pause": "length",
    "context_window": "length",
    "unknown": "length",
}


def finish_word(choice: Mapping[str, Json]) -> str:
    """The finish reason of a choice, "" while it continues: some servers send an empty string or "null" for that on
    every chunk."""
    word = text(choice.get("finish_reason"))
    return "" if word == "null" else word


def broken_word(choice: Mapping[str, Json]) -> str | None:
    """The reason of an answer without content, if that must be a failure: of the server, or because there should be a
    call."""
    word = finish_word(choice)
    return word if word.lower() in _BROKEN else None


def read_stop(choice: Mapping[str, Json], *, calls: bool) -> Stop:
    """``calls`` says that the answer contains some: servers send "stop" for them too."""
    word = finish_word(choice)
    # Without a reason, the vendor's terminator says that the answer is complete.
    reason, raw = _READ.get(word.lower(), "unknown") if word else "end", word or None
    sequence = text(choice.get("stop_reason")) or text(choice.get("matched_stop"))
    match reason:
        case "end" if calls:
            reason = "tool_use"
        case "end" if sequence:
            return Stop("stop_sequence", sequence, raw)
        case "tool_use" if not calls:
            reason = "end"
    return Stop(reason, raw=raw)


def write_stop(stop: Stop, *, refused: bool) -> dict[str, Json]:
    """The members of a choice for it; ``refused`` says that the answer contains a refusal."""
    if stop.reason == "refusal" and refused:
        return {"finish_reason": "stop"}
    word = _WRITE[stop.reason]
    written: dict[str, Json] = {"finish_reason": word} | native_reason(stop, word)
    if stop.reason == "stop_sequence" and stop.sequence is not None:
        written["stop_reason"] = stop.sequence
    return written

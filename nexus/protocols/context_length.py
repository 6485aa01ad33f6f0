"""Errors saying that a conversation is too long for the model: recognised by their wording, and worded for Claude Code.

The only place where wording decides, because these vendors have no code for it. Used only if the vendor's own code says
nothing more specific than that the request is invalid or too large, or if an error inside a stream has no code. A wrong
guess changes the kind of the error and never loses the vendor's message. Phrases are matched literally, ignoring case;
families only document the source, because a proxy repeats the messages of the server behind it.

Sources: errors as users reported them in google-gemini/gemini-cli 4231, 6678, 19727, RooCodeInc/Roo-Code 1767,
vllm-project/vllm 10440, 20409, continuedev/continue 6005, 6136, aaif-goose/goose 7504, NousResearch/hermes-agent 98726,
daisuke-awaji/moca 254, OpenDevin/OpenDevin 1902, co-l/openfox 31, anomalyco/opencode 27629, in the code of
strands-agents 1.62, and what the overflow tests of badlogic/pi-mono quote. How Claude Code reads them: its binary,
2.1.197.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.dataclasses import dataclass, replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern

TOO_LONG = "prompt is too long"
"""With these words in the message, in any case, Claude Code compacts and retries, whatever the status except 429."""

NO_ROOM = "input length and `max_tokens` exceed context limit"
"""With these words and three numbers Claude Code requests fewer tokens and retries."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Matches messages that contain ``says``. The first of ``needed`` that is present precedes the number of tokens,
    the first of ``limit`` the maximum."""

    says: str
    needed: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()


FAMILIES: Mapping[str, tuple[Wording, ...]] = {
    "Gemini API, Vertex AI": (
        Wording("exceeds the maximum number of tokens allowed", ("input token count",), ("tokens allowed",)),
        Wording("but model only supports up to", ("input token count is",), ("supports up to",)),
    ),
    "Bedrock: Claude, Nova, Titan": (
        Wording("input is too long for requested model"),
        Wording("too many total text bytes"),
        Wording("input tokens exceed", ("resulted in",), ("configured limit of",)),
        Wording("too many input tokens", ("request input token count:",), ("max input tokens:",)),
    ),
    "Mistral": (Wording("too large for model with", ("prompt contains",), ("too large for model with",)),),
    "Fireworks": (Wording("model maximum context length:", (f"{TOO_LONG}:",), ("maximum context length:",)),),
    "Anthropic": (Wording(TOO_LONG, (f"{TOO_LONG}:",), ("tokens >",)), Wording(NO_ROOM)),
    # OpenAI, Azure, OpenRouter, DeepSeek, vLLM, SGLang, Llama on Bedrock.
    "OpenAI and compatible servers": (
        Wording(
            "maximum context length",
            ("for a total of", "you requested", "resulted in", "request has"),
            ("maximum context length is", "maximum context length of"),
        ),
        Wording("context length is only", ("you passed",), ("maximum input length of",)),
        Wording("exceeds the context window"),
        Wording("context length exceeded"),
        Wording("context_length_exceeded"),
    ),
    "xAI": (Wording("maximum prompt length", ("request contains",), ("maximum prompt length is",)),),
    "Groq, Cerebras": (Wording("reduce the length of the messages", ("current length is",), ("limit is",)),),
    "llama.cpp": (
        Wording("exceeds the available context size", ("request (",), ("context size (",)),
        Wording("exceed context window of", ("requested tokens (",), ("context window of",)),
    ),
    "ds4": (Wording("but the configured context size is", ("prompt has",), ("context size is",)),),
    "LM Studio": (Wording("greater than the context length", ("n_keep:",), ("n_ctx:",)),),
    "Ollama": (Wording("prompt too long; exceeded"), Wording("exceeds the context length")),
    "TGI": (
        Wording("`inputs` tokens + `max_new_tokens` must be", (), ("must be <=",)),
        Wording("`inputs` must have less than", ("given:",), ("less than",)),
    ),
    "Together": (Wording("longer than the model's context length", ("the input (",), ("context length (",)),),
    "Cohere": (Wording("too many tokens:", ("received",), ("cannot exceed",)),),
    "DeepInfra, Poolside": (
        Wording("exceeds maximum input length", ("input length",), ("maximum input length",)),
        Wording("exceeds the maximum allowed input length", ("input length",), ("allowed input length of",)),
    ),
    "GitHub Copilot": (Wording("prompt token count of", ("prompt token count of",), ("exceeds the limit of",)),),
    "Moonshot": (Wording("exceeded model token limit", ("requested:",), ("model token limit:",)),),
    "MiniMax": (Wording("context window exceeds limit"),),
    "Alibaba": (Wording("range of input length should be"),),
    "Z.ai": (Wording("in request more than max tokens allowed"), Wording("prompt exceeds max length")),
}

_NUMBER = pattern(r"[^0-9]{0,12}([0-9][0-9,]{0,15})")
_SEPARATE = pattern(
    r"\(([0-9]{1,12}) in the messages, ([0-9]{1,12}) in the completion\)"
    r"|requested (?P<out>[0-9]{1,12}) output tokens and your prompt contains (?P<in>[0-9]{1,12}) input tokens"
    r"|is too large: (?P<out2>[0-9]{1,12})\. .{0,80} your request has (?P<in2>[0-9]{1,12}) input tokens"
)
"""Separate numbers for prompt and completion, as OpenAI, DeepSeek and vLLM give them; not "at least" a number."""

_VAGUE = frozenset({"invalid_request", "request_too_large"})


def judged(failure: VendorFailure, *, unsaid: bool = False) -> VendorFailure:
    """The same failure, as ``context_length`` if its message says so; ``unsaid``: it had no code."""
    if (unsaid or failure.kind in _VAGUE) and _wording(failure.message.lower()) is not None:
        return replace(failure, kind="context_length", status=400)
    return failure


def worded(message: str) -> str:
    """The vendor's message after the words that Claude Code knows, with the numbers if there are two."""
    lowered = message.lower()
    if NO_ROOM in lowered:
        return message
    found = _wording(lowered)
    needed, limit = (None, None) if found is None else (_number(lowered, found.needed), _number(lowered, found.limit))
    if limit is not None and (apart := _separate(lowered)) is not None and apart[0] < limit < sum(apart):
        return f"{NO_ROOM}: {apart[0]} + {apart[1]} > {limit}: {message}"
    if needed is None or limit is None or needed <= limit:
        return message if TOO_LONG in lowered else f"{TOO_LONG}: {message}"
    numbered = f"{TOO_LONG}: {needed} tokens > {limit} maximum"
    return message if numbered in lowered else f"{numbered}: {message}"


def _wording(lowered: str) -> Wording | None:
    return next((one for family in FAMILIES.values() for one in family if one.says in lowered), None)


def _number(lowered: str, markers: tuple[str, ...]) -> int | None:
    for marker in markers:
        at = lowered.find(marker)
        if at >= 0 and (match := _NUMBER.match(lowered, at + len(marker))) is not None:
            return int(match[1].replace(",", ""))
    return None


def _separate(lowered: str) -> tuple[int, int] | None:
    match = _SEPARATE.search(lowered)
    if match is None:
        return None
    if match[1] is not None:
        return int(match[1]), int(match[2])
    return int(match["in"] or match["in2"]), int(match["out"] or match["out2"])

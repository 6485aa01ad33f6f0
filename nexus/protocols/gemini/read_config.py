"""A Gemini client's ``generationConfig`` -> the neutral fields.

Source: ai.google.dev/api/generate-content#generationconfig.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import OutputFormat, Request, Thinking
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import (
    Drops,
    an_array,
    an_object,
    googles_whole,
    maybe_bool,
    maybe_number,
    maybe_string,
    stop_sequences,
    wrong,
)
from nexus.protocols.gemini.read_schema import read_schema
from nexus.protocols.google_thinking import ThinkingKeys, read_thinking_config
from nexus.wire import Json

Config = Mapping[str, Json]

_AT = "generationConfig"
_THINKING = f"{_AT}.thinkingConfig"
_NAMES = ThinkingKeys("includeThoughts", "thinkingBudget", "thinkingLevel")
_READ = frozenset(
    {"stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema", "seed"}
    | {"responseModalities", "candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "thinkingConfig"}
    | {"presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs"}
)


def read_config(config: Config, drops: Drops) -> Request:
    """A request with only these fields. Raises InvalidRequest, UnsupportedFeature."""
    drops.unknown(config, _READ, _AT)
    if (googles_whole(config, "candidateCount", _AT) or 1) > 1:
        raise UnsupportedFeature.about(
            f"{_AT}.candidateCount", "other vendors return one candidate; send several requests"
        )
    return Request(
        messages=(),
        thinking=_read_thinking(config, drops),
        output_format=_read_output_format(config),
        max_tokens=_read_natural(config, "maxOutputTokens"),
        temperature=maybe_number(config, "temperature", path=_AT),
        top_p=maybe_number(config, "topP", path=_AT),
        top_k=_read_natural(config, "topK"),
        presence_penalty=maybe_number(config, "presencePenalty", path=_AT),
        frequency_penalty=maybe_number(config, "frequencyPenalty", path=_AT),
        seed=googles_whole(config, "seed", _AT),
        stop=stop_sequences(config.get("stopSequences") or [], f"{_AT}.stopSequences"),
        logprobs=maybe_bool(config, "responseLogprobs", _AT),
        top_logprobs=_read_natural(config, "logprobs"),
        image_output=_read_images(config),
    )


def _read_natural(holder: Config, name: str) -> int | None:
    value = googles_whole(holder, name, _AT)
    if value is not None and value < 0:
        raise wrong(f"{_AT}.{name}", "a whole number of at least 0")
    return value


def _read_images(config: Config) -> bool | None:
    path = f"{_AT}.responseModalities"
    given = {str(one).upper() for one in an_array(config.get("responseModalities") or [], path)}
    if given & {"AUDIO", "VIDEO"}:
        raise UnsupportedFeature.about(path, "other vendors' models do not answer in sound or video here")
    if unknown := given - {"TEXT", "IMAGE", "MODALITY_UNSPECIFIED"}:
        raise wrong(path, f'"TEXT" or "IMAGE", not {min(unknown)}')
    return True if "IMAGE" in given else None


def _read_thinking(config: Config, drops: Drops) -> Thinking | None:
    """Without a budget or a level, ``includeThoughts`` turns thinking on."""
    if config.get("thinkingConfig") is None:
        return None
    wire = an_object(config["thinkingConfig"], _THINKING)
    amount, include = read_thinking_config(wire, _NAMES, _THINKING, drops)
    return Thinking(True) if amount is None and include else amount


def _read_output_format(config: Config) -> OutputFormat | None:
    kind = maybe_string(config, "responseMimeType", _AT) or "text/plain"
    if kind == "text/plain":
        return None
    if kind != "application/json":
        raise UnsupportedFeature.about(f"{_AT}.responseMimeType", f"{kind} is Google's own; ask for application/json")
    if config.get("responseSchema") is not None:
        wire = an_object(config["responseSchema"], f"{_AT}.responseSchema")
        return OutputFormat(read_schema(wire, f"{_AT}.responseSchema"))
    for name in ("responseJsonSchema", "_responseJsonSchema"):
        if config.get(name) is not None:
            return OutputFormat(an_object(config[name], f"{_AT}.{name}"))
    return OutputFormat()

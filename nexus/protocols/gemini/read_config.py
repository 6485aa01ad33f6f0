"""A Gemini client's ``generationConfig`` -> the neutral fields.

Google's parser accepts integers also with a zero fraction, and as strings. Source:
ai.google.dev/api/generate-content#generationconfig; ai.google.dev/gemini-api/docs/thinking.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import OutputFormat, Request, Thinking
from nexus.errors import UnsupportedFeature
from nexus.models.efforts import GOOGLE_LEVELS
from nexus.protocols.checks import Drops, an_array, an_object, maybe_bool, maybe_number, maybe_string, strings_in, wrong
from nexus.protocols.gemini.read_schema import is_whole, read_schema
from nexus.wire import Json

Config = Mapping[str, Json]

_AT = "generationConfig"
_THINKING = f"{_AT}.thinkingConfig"
_READ = frozenset(
    {"stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema", "seed"}
    | {"responseModalities", "candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "thinkingConfig"}
    | {"presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs"}
)


def read_config(config: Config, drops: Drops) -> Request:
    """A request with only these fields. Raises InvalidRequest, UnsupportedFeature."""
    drops.unknown(config, _READ, _AT)
    if (_read_whole(config, "candidateCount") or 1) > 1:
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
        seed=_read_whole(config, "seed"),
        stop=strings_in(config.get("stopSequences") or [], f"{_AT}.stopSequences"),
        logprobs=maybe_bool(config, "responseLogprobs", _AT),
        top_logprobs=_read_natural(config, "logprobs"),
        image_output=_read_images(config),
    )


def _read_whole(holder: Config, name: str, path: str = _AT) -> int | None:
    value = holder.get(name)
    match value:
        case None:
            return None
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if is_whole(value):
            return int(value)
    raise wrong(f"{path}.{name}", "a whole number")


def _read_natural(holder: Config, name: str) -> int | None:
    value = _read_whole(holder, name)
    if value is not None and value < 0:
        raise wrong(f"{_AT}.{name}", "a natural number")
    return value


def _read_images(config: Config) -> bool | None:
    path = f"{_AT}.responseModalities"
    given = {str(one).upper() for one in an_array(config.get("responseModalities") or [], path)}
    if given & {"AUDIO", "VIDEO"}:
        raise UnsupportedFeature.about(path, "other vendors' models do not answer in sound or video here")
    if unknown := given - {"TEXT", "IMAGE", "MODALITY_UNSPECIFIED"}:
        raise wrong(path, f"TEXT or IMAGE, not {min(unknown)}")
    return True if "IMAGE" in given else None


def _read_thinking(config: Config, drops: Drops) -> Thinking | None:
    """Without a budget and a level, thinking is requested if its text is."""
    if config.get("thinkingConfig") is None:
        return None
    wire = an_object(config["thinkingConfig"], _THINKING)
    drops.unknown(wire, ("includeThoughts", "thinkingBudget", "thinkingLevel"), _THINKING)
    visible = maybe_bool(wire, "includeThoughts", _THINKING) or False
    budget, level = _read_whole(wire, "thinkingBudget", _THINKING), maybe_string(wire, "thinkingLevel", _THINKING)
    if budget == 0:
        return Thinking(False)
    if budget is not None and budget > 0:
        return Thinking(True, budget=budget, visible=visible)
    named = (level or "").upper().removeprefix("THINKING_LEVEL_")
    if named and named != "UNSPECIFIED":
        if named not in GOOGLE_LEVELS:
            raise wrong(f"{_THINKING}.thinkingLevel", "one of " + ", ".join(GOOGLE_LEVELS))
        return Thinking(True, effort=GOOGLE_LEVELS[named], visible=visible)
    return Thinking(True, visible=visible) if visible or budget is not None else None


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

"""A client's chat request, read into neutral form."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Request
from nexus.errors import UnsupportedFeature
from nexus.protocols.chat.fields import READS
from nexus.protocols.chat.read_google import read_google
from nexus.protocols.chat.read_messages import MessagesReader
from nexus.protocols.chat.read_thinking import read_thinking
from nexus.protocols.chat.tools import read_choice, read_search, read_tools
from nexus.protocols.checks import (
    Drops,
    an_array,
    an_object,
    maybe_bool,
    maybe_number,
    maybe_string,
    maybe_strings,
    maybe_whole,
    stop_sequences,
    wrong,
)
from nexus.protocols.codec import ReadRequest
from nexus.protocols.dispositions import dropped_by
from nexus.protocols.openai_request import read_format
from nexus.wire import Json


def read_request(body: Mapping[str, Json]) -> ReadRequest:
    drops = dropped_by(READS, body)
    if (maybe_whole(body, "n", 1) or 1) > 1:
        raise UnsupportedFeature.about("n", "only one choice can be translated; send several requests")
    images = _read_modalities(body)
    messages = MessagesReader(drops)
    messages.read(body.get("messages"))
    choice, tools = read_choice(body, read_tools(body, drops))
    google = read_google(body, drops)
    request = Request(
        messages=messages.finish(),
        system=tuple(messages.system),
        tools=(*tools, *read_search(body, tools)),
        tool_choice=choice,
        parallel_tools=maybe_bool(body, "parallel_tool_calls"),
        thinking=read_thinking(body, google.thinking, drops),
        output_format=read_format(body.get("response_format"), "response_format", drops, "json_schema"),
        max_tokens=_read_limit(body, drops),
        temperature=maybe_number(body, "temperature", 0, 2),
        top_p=maybe_number(body, "top_p", 0, 1),
        top_k=maybe_whole(body, "top_k"),
        presence_penalty=maybe_number(body, "presence_penalty", -2, 2),
        frequency_penalty=maybe_number(body, "frequency_penalty", -2, 2),
        seed=maybe_whole(body, "seed"),
        stop=_read_stop_words(body),
        logprobs=maybe_bool(body, "logprobs"),
        top_logprobs=maybe_whole(body, "top_logprobs", 0, 20),
        logit_bias=_read_bias(body),
        user=maybe_string(body, "user"),
        metadata=maybe_strings(body, "metadata"),
        service_tier=maybe_string(body, "service_tier"),
        safety_identifier=maybe_string(body, "safety_identifier"),
        image_output=images,
        prompt_cache_key=maybe_string(body, "prompt_cache_key"),
        cached_content=google.cached_content,
        safety_settings=google.safety_settings,
        verbosity=maybe_string(body, "verbosity"),
        stream=maybe_bool(body, "stream") or False,
        include_usage=_read_stream_options(body, drops),
    )
    return ReadRequest(request, drops.names)


def _read_modalities(body: Mapping[str, Json]) -> bool | None:
    """Whether the client requests images, as OpenRouter's clients do."""
    if (modalities := body.get("modalities")) is None:
        return None
    for at, modality in enumerate(an_array(modalities, "modalities")):
        if modality not in ("text", "image"):
            raise UnsupportedFeature.about(
                f"modalities.{at}", f"only text and images can be translated, not {modality}"
            )
    return True if "image" in modalities else None


def _read_limit(body: Mapping[str, Json], drops: Drops) -> int | None:
    new, old = maybe_whole(body, "max_completion_tokens", 1), maybe_whole(body, "max_tokens", 1)
    if new is not None and old is not None and new != old:
        drops.add("max_tokens")
    return old if new is None else new


def _read_stop_words(body: Mapping[str, Json]) -> tuple[str, ...]:
    match body.get("stop"):
        case None:
            return ()
        case str(word):
            return stop_sequences([word], "stop")
        case list(words):
            return stop_sequences(words, "stop")
        case _:
            raise wrong("stop", "a string or an array of strings")


def _read_bias(body: Mapping[str, Json]) -> dict[str, float] | None:
    if (value := body.get("logit_bias")) is None:
        return None
    biases = an_object(value, "logit_bias")
    for token, bias in biases.items():
        if not isinstance(bias, int | float) or isinstance(bias, bool):
            raise wrong(f"logit_bias.{token}", "a number")
    return dict(biases)


def _read_stream_options(body: Mapping[str, Json], drops: Drops) -> bool:
    if (value := body.get("stream_options")) is None:
        return False
    options = an_object(value, "stream_options")
    drops.unknown(options, ("include_usage",), "stream_options")
    return maybe_bool(options, "include_usage", "stream_options") or False

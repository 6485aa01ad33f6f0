"""What spans tell of a request beside its model: the few settings that the GenAI conventions have names for.

They are read off the client's own words, whatever its dialect, and never off a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.wire import Json

Value = str | int | float

_TEXT = 64

_CONFIG = "generationConfig"

_FIELDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "gen_ai.request.max_tokens": (
        ("max_completion_tokens",),
        ("max_tokens",),
        ("max_output_tokens",),
        (_CONFIG, "maxOutputTokens"),
        ("inferenceConfig", "maxTokens"),
    ),
    "gen_ai.request.temperature": (
        ("temperature",),
        (_CONFIG, "temperature"),
        ("inferenceConfig", "temperature"),
    ),
    "gen_ai.request.top_p": (("top_p",), (_CONFIG, "topP"), ("inferenceConfig", "topP")),
    "gen_ai.request.top_k": (("top_k",), (_CONFIG, "topK")),
    "gen_ai.request.seed": (("seed",), (_CONFIG, "seed")),
    "gen_ai.request.frequency_penalty": (("frequency_penalty",), (_CONFIG, "frequencyPenalty")),
    "gen_ai.request.presence_penalty": (("presence_penalty",), (_CONFIG, "presencePenalty")),
}

_LEVEL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "gen_ai.request.reasoning.level": (
        ("reasoning_effort",),
        ("reasoning", "effort"),
        ("output_config", "effort"),
        (_CONFIG, "thinkingConfig", "thinkingLevel"),
    )
}


def asked(document: Mapping[str, Json]) -> dict[str, Value]:
    """Attributes by name; what is of the wrong type is left out."""
    numbers = {name: value for name, value in _found(document, _FIELDS) if isinstance(value, int | float)}
    words = {name: value for name, value in _found(document, _LEVEL) if isinstance(value, str) and len(value) <= _TEXT}
    return {name: value for name, value in numbers.items() if not isinstance(value, bool)} | words


def _found(document: Mapping[str, Json], fields: Mapping[str, tuple[tuple[str, ...], ...]]) -> list[tuple[str, Json]]:
    return [
        (name, value)
        for name, paths in fields.items()
        if (value := next(filter(lambda one: one is not None, (_at(document, path) for path in paths)), None))
        is not None
    ]


def _at(document: Mapping[str, Json], path: tuple[str, ...]) -> Json:
    value: Json = dict(document)
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value

"""Validation of virtual models: each target exists, and each name means one model.

Pure functions over the whole settings; ``root`` reports the problems. A virtual model overrides a bare alias of the
same name, because agents request bare names; any other duplicate name is rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus.settings.keys import GatewayKey
from nexus.settings.llm import LlmSettings
from nexus.settings.model import ModelSettings
from nexus.settings.problems import MOST_SHOWN
from nexus.settings.types import Location, did_you_mean

NOT_CONFIGURED = "is not a configured model"
NO_MODEL_NAME = 'matches no model; write "provider/model", a virtual model, or a pattern such as "anthropic/*"'


def target_problems(llm: LlmSettings) -> Iterator[Location]:
    """Conflicts between virtual models and other models, as arguments for ``fail_at``."""
    if not llm.enabled:
        return
    known, unknown = model_tables(llm), 0
    for name, virtual in llm.models.items():
        for path, target in virtual.named:
            if target not in known:
                unknown += 1
                words = _unknown(target, known, llm) if unknown <= MOST_SHOWN else NOT_CONFIGURED
                yield ("llm", "models", name, *path), words
    yield from _taken(llm, known)


def model_tables(llm: LlmSettings) -> Mapping[str, ModelSettings]:
    """All models by their names ``provider/alias``."""
    providers = llm.providers.items()
    return {f"{name}/{alias}": model for name, provider in providers for alias, model in provider.models.items()}


def pattern_problems(keys: Mapping[str, GatewayKey], llm: LlmSettings) -> Iterator[Location]:
    """Names in the gateway keys' ``models`` that no model can have."""
    for name, key in keys.items():
        for index, pattern in enumerate(key.models or ()):
            if "/" not in pattern and "*" not in pattern and pattern not in llm.models:
                yield ("server", "keys", name, "models", index), NO_MODEL_NAME


def _unknown(target: str, known: Mapping[str, ModelSettings], llm: LlmSettings) -> str:
    if target in llm.models:
        return "is a virtual model; a target must be a model of a provider"
    same = next((f'; did you mean "{name}"?' for name in known if name.partition("/")[2] == target), "")
    hint = did_you_mean(target, known, 0.5) or same or '; write targets as "provider/model"'
    return f"{NOT_CONFIGURED}{hint}"


def _taken(llm: LlmSettings, known: Mapping[str, ModelSettings]) -> Iterator[Location]:
    """Names and ``expose_as`` of virtual models that also mean something else."""
    seconds = {second: name for name, model in known.items() for second in model.expose_as}
    aliases = {name.partition("/")[2]: name for name in known}
    for name, virtual in llm.models.items():
        if name in seconds:
            yield ("llm", "models", name), f"is also what {seconds[name]} is exposed as; a name must be unique"
        for second in dict.fromkeys(one for one in virtual.expose_as if one != name):
            others = [second] if second in known or second in llm.models else []
            owner = next(iter([*others, *filter(None, (seconds.get(second), aliases.get(second)))]), None)
            if owner is not None:
                yield ("llm", "models", name, "expose_as"), f"is also a name of {owner}; a name must be unique"
            seconds[second] = name

"""The only parser of model names: vendor, family and version from a vendor's or host's model id."""

from __future__ import annotations

import functools

from nexus.dataclasses import dataclass
from nexus.late import pattern

Version = tuple[int, int]

_FAMILY = "(opus|sonnet|haiku|fable|mythos)"
_NEW = pattern(rf"claude-{_FAMILY}-(\d{{1,2}})(?:[-.](\d{{1,2}}))?(?!\d)")
_OLD = pattern(rf"claude-(\d)(?:[-.](\d))?-{_FAMILY}")
_OLDEST = pattern(r"claude-(?:instant|v?[12])(?!\d)")
_GEMINI = pattern(r"gemini-(?:(\d+)(?:\.(\d+))?-)?(.*)")

_BEDROCK = pattern(
    r"(?:^|/)(?:[^./]*\.)?(ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia"
    r"|openai|qwen|xai|zai)\.([^/]*)"
)
"""The vendor in Bedrock's ids, after the geography of a cross-region profile and anywhere in an ARN."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """``vendor`` is the model's maker as in Bedrock's ids, "" if the id is not one of these. ``name`` is the vendor's
    own id in lower case, without a prefix and without what follows a colon.
    """

    vendor: str
    name: str


@functools.lru_cache(maxsize=1024)
def model_name(model: str) -> ModelName:
    """The name in any host's id: ``models/gemini-3.8-flash``, ``openai/gpt-5.5``, ``us.amazon.nova-pro-v1:0``, an ARN
    that contains one, ``ft:gpt-5.5:house::1``.
    """
    name = model.lower()
    if found := _BEDROCK.search(name):
        return ModelName(found[1], found[2].partition(":")[0])
    return ModelName("", name.rsplit("/", 1)[-1].removeprefix("ft:").partition(":")[0])


def is_kimi_k2(model: str) -> bool:
    return model_name(model).name.startswith("kimi-k2")


@dataclass(frozen=True, slots=True)
class ClaudeName:
    """``name`` is the id in lower case; ``family`` is empty and ``version`` None if the id has none."""

    name: str
    family: str = ""
    version: Version | None = None


@functools.lru_cache(maxsize=1024)
def claude_name(model: str) -> ClaudeName | None:
    """Reads a Claude's name from any host's id: ``claude-opus-4-5``, ``claude-3.7-sonnet``,
    ``us.anthropic.claude-...-v1:0``, an ARN that contains one; None if the name is not Claude's.
    """
    name = model.lower()
    if "claude" not in name:
        return None
    if new := _NEW.search(name):
        return ClaudeName(name, new[1], (int(new[2]), int(new[3] or 0)))
    if old := _OLD.search(name):
        return ClaudeName(name, old[3], (int(old[1]), int(old[2] or 0)))
    if _OLDEST.search(name):
        return ClaudeName(name, "", (2, 0))
    return ClaudeName(name, "mythos" if "mythos" in name else "")


_ANTHROPICS = pattern(r"(claude-[^@:]*?)(?:[-@](\d{8}|latest|default))?(?:-v\d+)?(?::[\w:]+)?")


@functools.lru_cache(maxsize=1024)
def anthropics_id(model: str) -> tuple[str, str] | None:
    """A Claude's id at Anthropic's own API without its date, and the date, "" if there is none: the same for
    ``claude-haiku-4-5@20251001``, ``us.anthropic.claude-haiku-4-5-20251001-v1:0`` and an ARN that ends in it.
    """
    _, dot, name = model.lower().rsplit("/", 1)[-1].rpartition(".claude-")
    found = _ANTHROPICS.fullmatch(f"claude-{name}" if dot else name)
    return None if found is None else (found[1], found[2] if (found[2] or "").isdigit() else "")


@dataclass(frozen=True, slots=True)
class GeminiName:
    """``version`` is None for an alias of the newest; ``variant`` is the rest, such as ``flash-lite``."""

    version: Version | None
    variant: str


def gemini_name(model: str) -> GeminiName | None:
    """Reads a Gemini's name from any host's id; None if the name is not Gemini's."""
    found = _GEMINI.fullmatch(model_name(model).name)
    if found is None:
        return None
    major, minor, variant = found.groups()
    return GeminiName((int(major), int(minor or 0)) if major else None, variant)

"""Model-specific errors of Claude's hosts; independent of Nexus's own model facts.

The messages are those of the vendors' 400s, or similar. Unknown models are checked against the published types only.
Sources: platform.claude.com, "What's new" of 4.6 to 5.5, and the pages on thinking, effort and structured outputs;
anthropics/claude-code 63620, lobehub/lobehub 19876, coder/coder 25356, cline/cline 12010.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_NEEDS_ADAPTIVE = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
_NEW = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2})(?!\d))?")
_OLD = re.compile(r"claude-(\d)(?:[-.](\d)(?!\d))?-([a-z]+)")

Version = tuple[int, int]


def model_problems(body: dict[str, Any], model: str, *, bedrock: bool = False) -> Iterator[str]:
    known = _known(model)
    if known is None:
        return
    family, version = known
    yield from _choice(body, family, version)
    yield from _format(body, version, _has_format(family, version, bedrock=bedrock))
    takes_system = version >= (4, 8) and (family, version) != ("sonnet", (5, 0))
    for at, message in enumerate(body.get("messages") or ()):
        if message.get("role") == "system" and not takes_system:
            yield f"messages.{at}.role: role 'system' is not supported on this model"
    if version >= (4, 7):
        for name in ("temperature", "top_p", "top_k"):
            if name in body and body[name] != 1:
                yield f"`{name}` is deprecated for this model."


def _known(model: str) -> tuple[str, Version] | None:
    if found := _OLD.search(model):
        return found[3], (int(found[1]), int(found[2] or 0))
    if found := _NEW.search(model):
        return found[1], (int(found[2]), int(found[3] or 0))
    return None


def _cannot_be_forced(family: str, version: Version) -> bool:
    since = {"opus": (5, 5), "sonnet": (5, 5), "fable": (5, 1), "mythos": (5, 1)}
    return family in since and version >= since[family]


def _choice(body: dict[str, Any], family: str, version: Version) -> Iterator[str]:
    kind = (body.get("tool_choice") or {}).get("type")
    if kind in ("any", "tool") and _cannot_be_forced(family, version):
        yield f'tool_choice.type: "{kind}" is not supported for this model. Use "auto" or "none".'


def _has_format(family: str, version: Version, *, bedrock: bool) -> bool:
    if not bedrock:
        return version >= (4, 5)
    return (4, 5) <= version <= (4, 6) or (family in ("opus", "fable") and version == (5, 0))


def _format(body: dict[str, Any], version: Version, has_format: bool) -> Iterator[str]:
    format = (body.get("output_config") or {}).get("format")
    if format is not None and not has_format:
        yield "output_config.format: Extra inputs are not permitted"
    elif format is not None:
        yield from _open_objects(format.get("schema"), "output_config.format.schema")
    for at, tool in enumerate(body.get("tools") or ()):
        if "strict" in tool and not has_format:
            yield f"tools.{at}.custom.strict: Extra inputs are not permitted"


def _open_objects(schema: Any, path: str) -> Iterator[str]:
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            yield f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        for name, inner in schema.items():
            if name in ("minimum", "maximum", "minLength", "maxLength", "oneOf") and "properties" not in path[-11:]:
                yield f"{path}: property '{name}' is not supported"
            yield from _open_objects(inner, f"{path}.{name}")
    elif isinstance(schema, list):
        for at, inner in enumerate(schema):
            yield from _open_objects(inner, f"{path}.{at}")


def thinking_problems(body: dict[str, Any], model: str) -> Iterator[str]:
    known = _known(model)
    if known is None:
        return
    family, version = known
    kind = (body.get("thinking") or {}).get("type")
    effort = (body.get("output_config") or {}).get("effort")
    if kind == "adaptive" and version < (4, 6):
        yield "adaptive thinking is not supported on this model"
    if kind == "enabled" and version >= (4, 7):
        yield f'"thinking.type.enabled" is not supported for this model. {_NEEDS_ADAPTIVE}'
    always = family in ("fable", "mythos") or (family == "opus" and version >= (5, 5))
    if kind == "disabled" and always:
        yield f'"thinking.type.disabled" is not supported for this model. {_NEEDS_ADAPTIVE}'
    if kind == "disabled" and effort in ("xhigh", "max") and (family, version) == ("opus", (5, 0)):
        yield f'"thinking.type.disabled" is not supported with effort "{effort}"'
    if effort is None:
        return
    if version < (4, 5) or (version == (4, 5) and family != "opus"):
        yield "This model does not support the effort parameter."
    elif effort == "xhigh" and version < (4, 7):
        yield "output_config.effort: Input should be 'low', 'medium', 'high' or 'max'"
    elif effort == "max" and version < (4, 6):
        yield "output_config.effort: Input should be 'low', 'medium' or 'high'"

"""A neutral request, written for a vendor of the responses dialect.

Law: stateless: ``store`` is false and the encrypted reasoning is asked for. What ``WRITES`` drops is named when it
says something. Source: openai.types.responses.response_create_params.
"""

from __future__ import annotations

import hashlib

from nexus.conversation import OutputFormat, Request, Thinking
from nexus.protocols.codec import Target, Written
from nexus.protocols.responses.fields import WRITES
from nexus.protocols.responses.tools import write_choice, write_tools
from nexus.protocols.responses.write_items import write_items
from nexus.wire import Json

_TIERS = {name: name for name in ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")} | {
    "standard_only": "default"
}
_LONGEST_USER = 64


def write_request(request: Request, target: Target) -> Written:
    dropped = [name for name, disposition in WRITES.items() if disposition.kind == "dropped" and getattr(request, name)]
    body: dict[str, Json] = {"model": target.model, "input": write_items(request), "store": False}
    body["include"] = ["reasoning.encrypted_content"]
    if request.stream:
        body["stream"] = True
    if request.tools:
        body["tools"] = write_tools(request.tools, runs=False)
        if request.tool_choice is not None:
            body["tool_choice"] = write_choice(request.tool_choice, request.tools)
        if request.parallel_tools is not None:
            body["parallel_tool_calls"] = request.parallel_tools
    if request.thinking is not None:
        body["reasoning"] = write_thinking(request.thinking)
    if request.output_format is not None:
        body["text"] = {"format": write_format(request.output_format)}
    optional = {
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "user": _write_user(request.user),
        "metadata": dict(request.metadata) or None,
        "service_tier": _TIERS.get(request.service_tier or ""),
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if request.service_tier is not None and "service_tier" not in body:
        dropped.append("service_tier")
    return Written(body, tuple(dropped))


def write_thinking(thinking: Thinking) -> dict[str, Json]:
    if not thinking.enabled:
        return {"effort": "none"}
    effort: str | None = thinking.effort
    if effort is None and thinking.budget is not None:
        effort = "low" if thinking.budget < 4096 else "medium" if thinking.budget < 16384 else "high"
    return ({"effort": effort} if effort else {}) | ({"summary": "auto"} if thinking.visible else {})


def write_format(format: OutputFormat) -> dict[str, Json]:
    if format.schema is None:
        return {"type": "json_object"}
    optional = {"description": format.description, "strict": format.strict}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"type": "json_schema", "name": format.name or "answer", "schema": format.schema, **given}


def _write_user(user: str | None) -> str | None:
    if user is None or len(user) <= _LONGEST_USER:
        return user
    return hashlib.sha256(user.encode()).hexdigest()

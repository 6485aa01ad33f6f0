"""Tools, tool choice and structured output, which share one constraint: some models take only one of them.

A JSON Schema keeps its meaning, in the keywords that the server supports (json_schema.py, openapi_schema.py). If
structured output and tools exclude each other, the format becomes one more tool, and a call is required; its arguments
are the content. Sources: ai.google.dev/gemini-api/docs/function-calling and /structured-output; the service's 400
``Forced function calling (ANY mode) with a response mime type``, which langchainjs #9126 also avoids.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import OutputFormat, Request, Tool, ToolChoice, WebSearch
from nexus.dataclasses import dataclass, field
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.models.gemini import Gemini
from nexus.protocols.checks import Drops
from nexus.protocols.forced_answer import answer_tool
from nexus.protocols.gemini.json_schema import write_json_schema
from nexus.protocols.gemini.openapi_schema import write_openapi_schema
from nexus.protocols.json_schema.closed import FORMAT
from nexus.protocols.json_schema.property_names import Forms
from nexus.protocols.json_schema.refs import Copies
from nexus.protocols.json_schema.remembered import remembered
from nexus.protocols.json_schema.roots import describe, object_root
from nexus.protocols.web_search import without_search
from nexus.wire import Json, only

_MODES: Mapping[str, str] = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}


@dataclass(frozen=True, slots=True)
class ToolFields:
    """The body's ``tools`` and ``toolConfig``, what goes into generationConfig, and the forced answer tool's name.

    ``answer_keys`` are the replaced names of the answer tool's properties.
    """

    body: dict[str, Json]
    generation: dict[str, Json]
    answer_tool: str | None = None
    answer_keys: Forms = field(default_factory=dict)


def write_tool_fields(request: Request, gemini: Gemini, drops: Drops) -> ToolFields:
    """Raises InvalidRequest for a choice that the tools do not allow."""
    searches = [tool for tool in request.tools if isinstance(tool, WebSearch)]
    if searches and len(searches) == len(request.tools):
        return _searching(request, gemini, drops)
    if searches:
        request = _unsearched(request, drops)
    _check_names(request)
    choice = request.tool_choice or ToolChoice("auto")
    if any(tool.strict for tool in request.tools):
        drops.add("tools.strict")
    if request.parallel_tools is False and request.tools:
        drops.add("parallel_tools")
    tools, output = request.tools, request.output_format
    answer: Tool | None = None
    keys: Forms = {}
    # A call of the client's own tools is required: the answer has no content to format, and no model takes both.
    if tools and output is not None and choice.mode not in ("auto", "none"):
        drops.add("output_format")
        output = None
    if tools and output is not None and not gemini.format_beside_tools:
        if choice.mode == "none":
            tools = ()
        else:
            answer, keys = answer_tool(output, tools, gemini.property_keys)
            choice, output = ToolChoice("required"), None
    declared = (*tools, answer) if answer is not None else tools
    body: dict[str, Json] = {}
    if declared:
        copies = Copies()
        paths = [FORMAT if tool is answer else f"tools.{at}.parameters" for at, tool in enumerate(declared)]
        declarations = [
            _declaration(tool, path, gemini, drops, copies) for tool, path in zip(declared, paths, strict=True)
        ]
        body["tools"] = [{"functionDeclarations": declarations}]
        if request.tool_choice is not None or answer is not None:
            allowed = None if choice.name is None else [choice.name]
            calling = only({"mode": _MODES[choice.mode], "allowedFunctionNames": allowed})
            body["toolConfig"] = {"functionCallingConfig": calling}
    generation = {} if output is None else _format(output, gemini, drops)
    return ToolFields(body, generation, None if answer is None else answer.name, keys)


def _searching(request: Request, gemini: Gemini, drops: Drops) -> ToolFields:
    """Search only, which no model can be forced to use."""
    if request.tool_choice is not None and request.tool_choice.mode == "none":
        return ToolFields({}, {} if request.output_format is None else _format(request.output_format, gemini, drops))
    if request.tool_choice is not None and request.tool_choice.mode != "auto":
        drops.add("tool_choice")
    if request.output_format is not None:
        drops.add("output_format")
    return ToolFields({"tools": [{"googleSearch": {}}]}, {})


def _unsearched(request: Request, drops: Drops) -> Request:
    """Together with functions, a search would have to be repeated in every later turn, in parts that no client sends
    back."""
    for at, tool in enumerate(request.tools):
        if isinstance(tool, WebSearch) and not tool.offered:
            raise UnsupportedFeature.about(
                f"tools.{at}", "Gemini searches the web only in requests without other tools"
            )
    request, lost = without_search(request, searches=False)
    drops.add(*lost)
    return request


def _check_names(request: Request) -> None:
    seen: set[str] = set()
    for index, tool in enumerate(request.tools):
        if tool.name in seen:
            raise InvalidRequest.about(f"tools.{index}.name", f"two tools are named {tool.name}")
        seen.add(tool.name)


def _declaration(tool: Tool, path: str, gemini: Gemini, drops: Drops, copies: Copies) -> dict[str, Json]:
    """``path`` is that of the schema, ``copies`` are those of all tools."""
    in_words, schema, lost, copied = _parameters(tool.parameters, (path, gemini.openapi_schemas))
    copies.add(copied, path)
    declaration = only({"name": tool.name, "description": describe(tool.description, in_words)})
    if not tool.parameters:
        return declaration
    drops.add(*lost)
    if not gemini.openapi_schemas:
        return declaration | {"parametersJsonSchema": schema}
    # The subset has no object without properties; a declaration without parameters is equivalent.
    empty = schema.get("type") == "OBJECT" and not schema.get("properties")
    return declaration if empty else declaration | {"parameters": schema}


@remembered
def _parameters(schema: Json, written: tuple[str, bool]) -> tuple[str, dict[str, Json], tuple[str, ...], int]:
    """Additions to the description, the schema, what was lost, and how many bytes were copied; ``written`` is its
    position, and whether it is in OpenAPI's form."""
    path, openapi = written
    root = object_root(schema, path)
    lost = Drops(f"{path}.{keyword}" for keyword in root.lost)
    write = write_openapi_schema if openapi else write_json_schema
    copies = Copies()
    return root.in_words, write(root.schema, path, lost, copies), lost.names, copies.size


def _format(output: OutputFormat, gemini: Gemini, drops: Drops) -> dict[str, Json]:
    generation: dict[str, Json] = {"responseMimeType": "application/json"}
    if output.schema is None:
        return generation
    schema = _described(output)
    if gemini.openapi_schemas:
        return generation | {"responseSchema": write_openapi_schema(schema, FORMAT, drops, Copies())}
    if not isinstance(schema, dict):
        return generation
    written = write_json_schema(schema, FORMAT, drops, Copies(), answer=True)
    return generation | {"responseJsonSchema": written}


def _described(output: OutputFormat) -> Json:
    """The format's schema, with the format's description if it has none."""
    schema = output.schema
    if output.description and isinstance(schema, dict) and "description" not in schema:
        return {"description": output.description, **schema}
    return schema

"""Tools that take free text, as functions of one string: the form in which every vendor has them.

``read_input`` gives back what ``write_input`` was given. Sources: custom tools in openai.types.chat and
openai.types.responses.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Request, Tool
from nexus.dataclasses import dataclass
from nexus.wire import Json, decode_object, encode, text

PARAMETERS: Mapping[str, Json] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text"}},
    "required": ["input"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class CustomTool(Tool):
    """A tool that its client calls with free text."""


def custom_names(request: Request) -> frozenset[str]:
    """The tools whose calls a client wants with their bare input."""
    return frozenset(tool.name for tool in request.tools if isinstance(tool, CustomTool))


def write_input(words: str) -> str:
    """A custom tool's input as the arguments of its function."""
    return encode({"input": words}).decode()


def read_input(arguments: str) -> str:
    """Inverse of write_input; arguments of another shape, from a model that slipped, are the input as they stand."""
    found = decode_object(arguments).get("input")
    return found if isinstance(found, str) else arguments


def with_grammar(description: str | None, grammar: Mapping[str, Json]) -> str:
    """A grammar (``syntax`` and ``definition``) cannot bind another vendor's model, but it can be read."""
    hint = f"The input must match this {text(grammar.get('syntax'))} grammar:\n{text(grammar.get('definition'))}"
    return f"{description}\n\n{hint}" if description else hint

"""Tools that take free text, as functions with one string argument: the form that every vendor has.

``read_input`` returns what ``write_input`` was given. Sources: custom tools in openai.types.chat and
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
    """The tools whose calls the client expects with plain text input."""
    return frozenset(tool.name for tool in request.tools if isinstance(tool, CustomTool))


def write_input(words: str) -> str:
    """A custom tool's input as the arguments of its function."""
    return encode({"input": words}).decode()


def read_input(arguments: str) -> str:
    """Inverse of write_input; malformed arguments from the model become the input unchanged."""
    found = decode_object(arguments).get("input")
    return found if isinstance(found, str) else arguments


def with_grammar(description: str | None, grammar: Mapping[str, Json]) -> str:
    """Adds a grammar (``syntax`` and ``definition``) to the description: another vendor's model cannot be forced to
    follow it, but it can read it."""
    hint = f"The input must match this {text(grammar.get('syntax'))} grammar:\n{text(grammar.get('definition'))}"
    return f"{description}\n\n{hint}" if description else hint

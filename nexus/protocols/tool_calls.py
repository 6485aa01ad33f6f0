"""Tool calls in a form that a vendor accepts: the forced one, ids, arguments, and tools that take free text.

Sources: custom tools in openai.types.chat and openai.types.responses. Kimi K2's ids: its tool_call_guidance; its
template writes the ids and no names, and with other ids in the history most of its turns end without a word
(getkimchi/kimchi #1063 and #1066, kimi-code #3429, vllm #50782, July to September 2026).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from nexus.conversation.parts import Request, Tool, ToolCall
from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest
from nexus.late import pattern
from nexus.wire import Json, decode, decode_object, digest, encode, text

_MISTRAL_ID = pattern(r"[a-zA-Z0-9]{9}")
_KIMI_ID = pattern(r"functions\.[^:]+:\d+")
_ANY_ID = pattern(r"(?s).*")


def calls_of(request: Request) -> Iterator[ToolCall]:
    return (part for message in request.messages for part in message.parts if isinstance(part, ToolCall))


def called(request: Request) -> Iterator[str]:
    return (call.name for call in calls_of(request))


class ToolIds:
    """Converts every tool call id of one request to a form that a vendor accepts; the same id always gets the same
    form.

    ``valid`` is the vendor's full-match pattern; ids that do not match become ``prefix`` and a hash.
    """

    def __init__(self, valid: re.Pattern[str], prefix: str = "call_", digits: int = 24) -> None:
        self._valid = valid
        self._prefix = prefix
        self._digits = digits
        self._forms: dict[str, str] = {}

    def set(self, original: str, form: str) -> None:
        self._forms[original] = form

    def __getitem__(self, original: str) -> str:
        if original not in self._forms:
            fits = self._valid.fullmatch(original) is not None
            self._forms[original] = original if fits else self._prefix + digest(original, self._digits)
        return self._forms[original]


def mistral_ids() -> ToolIds:
    return ToolIds(_MISTRAL_ID, "", digits=9)


def kimi_ids(calls: Sequence[tuple[str, str]]) -> ToolIds:
    """``functions.NAME:NUMBER`` for every call that another model made, numbered through the conversation; ``calls``
    are the id and the tool's name of each."""
    ids = ToolIds(_ANY_ID)
    taken = {call_id for call_id, _ in calls}
    for number, (call_id, name) in enumerate(calls):
        if not _KIMI_ID.fullmatch(call_id):
            free = (f"functions.{name}:{at}" for at in itertools.count(number))
            ids.set(call_id, form := next(form for form in free if form not in taken))
            taken.add(form)
    return ids


BROKEN = "messages.tool_call.arguments"
"""Name under which wrapped arguments in the history are reported."""


NO_ARGUMENTS = frozenset({"null", "[]"})
"""What some models write in place of an empty object for a tool without parameters (agno #6303, vercel/ai #4755)."""


def read_called(value: Json) -> str:
    """The tool that a vendor's call names, without the control tokens that gpt-oss may write after it on any server
    (vllm #32587, vercel/ai #9967)."""
    return text(value).partition("<|")[0] or text(value)


def read_arguments(value: Json) -> str:
    """The arguments of a vendor's call, which some servers send as JSON text where the dialect has an object."""
    if isinstance(value, str):
        return value
    return encode(value).decode() if value else ""


def spelled_json(value: Json) -> str:
    """The same where the dialect has JSON text, and some servers send the object: arguments (cc-switch #5100), or the
    content of structured output (Cloudflare, recorded in chatlas 0.23)."""
    return encode(value).decode() if isinstance(value, dict) else text(value)


def an_object_of(arguments: str) -> tuple[dict[str, Json], bool]:
    """A call's arguments as the JSON object that some dialects require, and whether they were one by themselves.

    An empty text means no arguments, as do ``NO_ARGUMENTS``. Anything else that a model wrote is kept in full: if it is
    not an object (the answer was cut off, or the model made a mistake), its text is put under one key, in answers and
    in histories alike.
    """
    if not (bare := arguments.strip()) or bare in NO_ARGUMENTS:
        return {}, True
    try:
        parsed = decode(arguments)
    except ValueError:
        parsed = None
    return (parsed, True) if isinstance(parsed, dict) else ({"invalid_json": arguments}, False)


def whole_text(arguments: str) -> tuple[str, bool]:
    """The same as JSON text, unchanged if it is that."""
    found, is_whole = an_object_of(arguments)
    return (arguments if found and is_whole else encode(found).decode()), is_whole


def object_text(arguments: str) -> str:
    return whole_text(arguments)[0]


PARAMETERS: Mapping[str, Json] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text"}},
    "required": ["input"],
    "additionalProperties": False,
}


def check_choice(request: Request) -> None:
    """Raises InvalidRequest if a tool must be called that is not there."""
    choice, names = request.tool_choice, {tool.name for tool in request.tools}
    if choice is None or choice.mode in ("auto", "none"):
        return
    if not names:
        raise InvalidRequest.about("tool_choice", "a tool must be called, but there are no tools")
    if choice.mode == "tool" and choice.name not in names:
        raise InvalidRequest.about("tool_choice", f"there is no tool named {choice.name}")


@dataclass(frozen=True, slots=True)
class CustomTool(Tool):
    """A tool that its client calls with free text: a function with one string argument, which every vendor has."""


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

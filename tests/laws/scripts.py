"""Random conversations in which every piece of content has its own mark, so that tests can look for it.

Every vendor can accept a tame conversation; a wild one holds content that some must reject.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from nexus.conversation.parts import (
    CacheHint,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Request,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.protocols.tool_calls import PARAMETERS as CUSTOM_PARAMETERS

NAMES = ("weather", "look_up", "tool.with/odd chars", "z" * 70, "apply_patch", "agents__spawn", "agents__note")
SCHEMAS: tuple[Any, ...] = (
    None,
    {"type": "object", "properties": {"city": {"type": "string", "description": "where"}}, "required": ["city"]},
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "when": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "deep": {"type": "object", "properties": {"inner": {"type": ["string", "null"], "enum": ["a", "b", None]}}},
        },
        "$defs": {"tag": {"type": "string", "minLength": 1}},
    },
    {"properties": {"only": {"const": "x"}}},
)

PATCH: Any = dict(CUSTOM_PARAMETERS)
"""The schema of a tool with one string argument, which is a custom tool for a Responses client."""

DECORATION = st.sampled_from(["", " ", "\n\nend\n", "é\u2028ü☃", '"}{\\', "<system>", "\t", "🎈", "data: [DONE]"])
BLANK = st.sampled_from(["", " ", "\n"])
HINTS: st.SearchStrategy[CacheHint | None] = st.sampled_from([None, None, None, "5m", "1h"])
SIGNERS = ("messages", "gemini", "converse", "chat", "")


@dataclass
class Marks:
    """Hands out marks in the order of the conversation."""

    draw: st.DrawFn
    count: int = 0

    def fresh(self) -> str:
        self.count += 1
        return f"<{self.count}>"

    def words(self) -> str:
        return f"w{self.fresh()}{self.draw(DECORATION)}"

    def bytes(self) -> str:
        return base64.b64encode(f"bytes{self.fresh()}".encode()).decode()

    def signature(self, dialect: str) -> Signature | None:
        """A signature shaped like those of its dialect."""
        value = base64.b64encode(f"seal{self.fresh()}".encode()).decode()
        match dialect:
            case "":
                return None
            case "chat":
                return Signature(
                    "chat", json.dumps({"type": "reasoning.text", "signature": value}, separators=(",", ":"))
                )
            case _:
                return Signature(dialect, value)


def is_custom(name: str) -> bool:
    return name in ("apply_patch", "agents__note")


def token(signature: Signature) -> str:
    """The opaque string inside a signature."""
    return str(json.loads(signature.value)["signature"]) if signature.dialect == "chat" else signature.value


@st.composite
def conversations(draw: st.DrawFn, *, wild: bool = False) -> Request:
    marks = Marks(draw)
    tools = tuple(_tool(draw, marks, name) for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)))
    system = tuple(draw(st.lists(st.builds(lambda: 0), max_size=2)))
    blocks = tuple(_text(draw, marks) for _ in system)
    messages: list[Message] = [Message("user", _said(draw, marks, wild))]
    for turn in range(draw(st.integers(0, 3))):
        messages += _exchange(draw, marks, turn, wild, [tool.name for tool in tools] or ["weather"])
    if wild and draw(st.integers(0, 3)) == 0:
        messages.append(Message("assistant", (Text(marks.words()),)))
    choice: Any = st.sampled_from([None, ToolChoice("auto"), *([ToolChoice("none")] if not wild and tools else [])])
    return Request(tuple(messages), system=blocks, tools=tools, tool_choice=draw(choice) if tools else None)


def _tool(draw: st.DrawFn, marks: Marks, name: str) -> Tool:
    described = draw(st.sampled_from([None, "told"]))
    schema = PATCH if is_custom(name) else draw(st.sampled_from(SCHEMAS))
    return Tool(name, described and f"{described} {marks.fresh()}", schema, cache=draw(HINTS))


def _text(draw: st.DrawFn, marks: Marks) -> Text:
    return Text(marks.words(), cache=draw(HINTS))


def _said(draw: st.DrawFn, marks: Marks, wild: bool) -> tuple[Part, ...]:
    makers: list[Callable[[], Part]] = [
        lambda: _text(draw, marks),
        lambda: Text(draw(BLANK)),
        lambda: Image(Inline("image/png", marks.bytes()), cache=draw(HINTS)),
        lambda: Document(Inline("application/pdf", marks.bytes()), title=f"title {marks.fresh()}", cache=draw(HINTS)),
        lambda: Document(Text(marks.words()), context=draw(st.none() | st.builds(marks.words))),
        lambda: Document(Inline("application/pdf", marks.bytes()), context=marks.words()),
    ]
    if wild:
        makers += [
            lambda: Image(Link(f"https://e.org/{marks.fresh()}.png")),
            lambda: Image(Inline("image/tiff", marks.bytes())),
            lambda: Document(Link(f"https://e.org/{marks.fresh()}.pdf")),
        ]
    return (*(make() for make in draw(st.lists(st.sampled_from(makers), max_size=3))), _text(draw, marks))


def _exchange(draw: st.DrawFn, marks: Marks, turn: int, wild: bool, names: list[str]) -> list[Message]:
    """The assistant's turn and the results of its calls, each perhaps in two messages, and further messages."""
    calls = [_call(draw, marks, _id(draw, turn, at), names, wild) for at in range(draw(st.integers(0, 3)))]
    said: list[Part] = [*_thoughts(draw, marks), *(Text(marks.words()) for _ in range(draw(st.integers(0, 2))))]
    if not said and not calls:
        said.append(Text(marks.words()))
    said = draw(st.permutations(said))
    messages = [Message("assistant", (*said, *calls))]
    if said and calls and draw(st.integers(0, 3)) == 0:
        messages = [Message("assistant", (*said[:-1], calls[0], said[-1], *calls[1:]))]
    if draw(st.integers(0, 5)) == 0:
        messages.append(Message("assistant", (Text(marks.words()),)))
    results = [_result(draw, marks, call.id) for call in draw(st.permutations(calls))]
    if wild and results and draw(st.integers(0, 5)) == 0:
        results.pop()
    cut = draw(st.integers(0, len(results)))
    after = _said(draw, marks, wild) if not results or draw(st.booleans()) else ()
    messages += [Message("user", tuple(results[:cut]))] if 0 < cut < len(results) else []
    messages.append(Message("user", (*(results[cut:] if 0 < cut < len(results) else results), *after)))
    if draw(st.integers(0, 4)) == 0:
        messages.append(Message("system", (Text(marks.words()),)))
    return messages


def _id(draw: st.DrawFn, turn: int, at: int) -> str:
    """Every kind of id that clients send: vendors' own, renumbered in each turn, with unusual characters, too long."""
    return draw(
        st.sampled_from(
            [f"call_{turn}_{at}", f"call_{at}", f"toolu_{turn}{at}", f"fn.{turn}:{at} é", f"{turn}{at}" + "x" * 80]
        )
    )


def _call(draw: st.DrawFn, marks: Marks, call_id: str, names: list[str], wild: bool) -> ToolCall:
    name = draw(st.sampled_from(names))
    return ToolCall(call_id, name, _arguments(draw, marks, name, wild), _call_signature(draw, marks))


def _arguments(draw: st.DrawFn, marks: Marks, name: str, wild: bool) -> str:
    """Models sometimes call a tool that takes one string with other arguments."""
    if is_custom(name) and draw(st.integers(0, 3)):
        return json.dumps({"input": marks.words()})
    given: list[str] = ["", "{}", json.dumps({"k": marks.words(), "n": [1, {"deep": None}], "é": 1.5})]
    return draw(st.sampled_from([*given, '{"broken'] if wild else given))


def _call_signature(draw: st.DrawFn, marks: Marks) -> Signature | None:
    return marks.signature(draw(st.sampled_from(["gemini", "", ""])))


def _thoughts(draw: st.DrawFn, marks: Marks) -> list[Part]:
    """The reasoning of one vendor."""
    signer = draw(st.sampled_from(SIGNERS))
    thoughts: list[Part] = []
    for _ in range(draw(st.integers(0, 2))):
        signature = marks.signature(signer)
        if signer in ("messages", "converse") and draw(st.integers(0, 3)) == 0:
            thoughts.append(Reasoning("", signature, redacted=True))
        else:
            thoughts.append(Reasoning(marks.words(), signature))
    return thoughts


def _result(draw: st.DrawFn, marks: Marks, call_id: str) -> ToolResult:
    makers: list[Callable[[], Text | Image | Document]] = [
        lambda: Text(marks.words()),
        lambda: Text(""),
        lambda: Text(json.dumps({"temperature": 3, "note": marks.fresh()})),
        lambda: Text(json.dumps({"output": marks.fresh()})),
        lambda: Image(Inline("image/png", marks.bytes())),
        lambda: Document(Inline("application/pdf", marks.bytes()), title=f"title {marks.fresh()}"),
    ]
    parts = tuple(make() for make in draw(st.lists(st.sampled_from(makers), max_size=3)))
    return ToolResult(call_id, parts, is_error=draw(st.integers(0, 3)) == 0, cache=draw(HINTS))

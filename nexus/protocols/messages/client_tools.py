"""Anthropic's own tools that the client runs (a shell, an editor, a memory, a screen), as functions with their schemas.

Pure tables. A call of such a tool is a tool_use like any other; only the members of a toolset have two names, which
``ToolsetNames`` restores. Sources: platform.claude.com, pages on the bash, text editor, memory and computer use tools;
anthropic.types, the params of these tools and the inputs of the computer toolset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation.parts import Request, Tool
from nexus.dataclasses import dataclass
from nexus.protocols.checks import Body
from nexus.wire import Json, count, mapping, text


@dataclass(frozen=True, slots=True)
class ToolsetMember(Tool):
    """One tool of a toolset, which its client calls ``member`` of ``toolset``."""

    toolset: str = ""
    member: str = ""


@dataclass(frozen=True, slots=True)
class ToolKind:
    """``describe`` reads the definition, whose known members are ``takes``."""

    describe: Callable[[Body], str]
    parameters: Callable[[str], Json]
    takes: tuple[str, ...] = ()


def _schema(properties: Mapping[str, Json], *required: str) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _words(about: str) -> Json:
    return {"type": "string", "description": about}


def _point(about: str) -> Json:
    return {
        "type": "array",
        "items": {"type": "integer"},
        "description": f"[x, y] in pixels from the left and the top{about}",
    }


_RANGE: Json = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "For view: the first and the last line, counted from 1; -1 is the end of the file",
}
_LINE: Json = {"type": "integer", "description": "For insert: the line after which the text goes; 0 is the beginning"}


_BASH = "Runs a command in a bash session that lasts over several calls. With restart it begins a new session."


def _bash(version: str) -> Json:
    restart = {"type": "boolean", "description": "Begin a new session; then no command is needed"}
    return _schema({"command": _words("The command to run"), "restart": restart})


def _describe_editor(wire: Body) -> str:
    limit = count(wire.get("max_characters"))
    description = (
        "Views, creates and edits files. view shows a file with its lines numbered, or lists a directory; create "
        "writes a new file; str_replace replaces old_str, which must stand in the file exactly once; insert adds text "
        "after a line."
    )
    return description + (f" A view shows {limit} characters at the most." if limit else "")


def _editor(version: str) -> Json:
    old, newest = version < "20250429", version >= "20250728"
    commands = ["view", "create", "str_replace", "insert", *(["undo_edit"] if old else [])]
    inserted = "insert_text" if newest else "new_str"
    properties: dict[str, Json] = {
        "command": {"type": "string", "enum": commands},
        "path": _words("The absolute path of a file, or for view of a directory"),
        "file_text": _words("For create: what the file is to hold"),
        "old_str": _words("For str_replace: the text that is there, with its white space"),
        "new_str": _words("For str_replace: the text in its place" + ("" if newest else "; for insert: the new text")),
        "insert_line": _LINE,
        "view_range": _RANGE,
    }
    if newest:
        properties[inserted] = _words("For insert: the new text")
    return _schema(properties, "command", "path")


_MEMORY = (
    "Keeps notes in files below /memories, which last from one conversation to the next. Look there before you begin, "
    "and write down what will be needed later."
)


def _memory(version: str) -> Json:
    properties: dict[str, Json] = {
        "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert", "delete", "rename"]},
        "path": _words("For all but rename: a path below /memories"),
        "file_text": _words("For create: what the file is to hold"),
        "old_str": _words("For str_replace: the text that is there"),
        "new_str": _words("For str_replace: the text in its place"),
        "insert_line": _LINE,
        "insert_text": _words("For insert: the new text"),
        "old_path": _words("For rename: the path that is there"),
        "new_path": _words("For rename: the path that it gets"),
        "view_range": _RANGE,
    }
    return _schema(properties, "command")


_FIRST_ACTIONS = (
    *("key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click", "double_click"),
    *("screenshot", "cursor_position"),
)
_LATER_ACTIONS = ("left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait", "triple_click")


def _describe_computer(wire: Body) -> str:
    width, height = count(wire.get("display_width_px")), count(wire.get("display_height_px"))
    return (
        f"Controls a computer by mouse and keyboard, and shows its screen, which has {width} x {height} pixels. "
        "Look at a screenshot before you act and after it."
    )


_KEYS = 'A key or keys together by their xdotool names, such as "Return" or "ctrl+s"'
_DIRECTION: Json = {"type": "string", "enum": ["up", "down", "left", "right"]}
_CLICKS: Json = {"type": "integer", "description": "Clicks of the wheel"}
_SECONDS: Json = {"type": "number", "description": "Seconds"}
_REGION: Json = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "[left, top, right, bottom] in pixels of the whole screen",
}


def _computer(version: str) -> Json:
    later, zooms = version >= "20250124", version >= "20251124"
    actions = [*_FIRST_ACTIONS, *(_LATER_ACTIONS if later else ()), *(("zoom",) if zooms else ())]
    properties: dict[str, Json] = {
        "action": {"type": "string", "enum": actions},
        "coordinate": _point("; where to move, click, scroll or end a drag"),
        "text": _words(f"For type: the text. For key and hold_key: {_KEYS}. For clicks: keys that are held"),
    }
    if later:
        properties |= {
            "start_coordinate": _point("; where a drag begins"),
            "scroll_direction": _DIRECTION,
            "scroll_amount": _CLICKS,
            "duration": _SECONDS,
        }
    if zooms:
        properties["region"] = _REGION
    return _schema(properties, "action")


KINDS: Mapping[str, ToolKind] = {
    "bash": ToolKind(lambda wire: _BASH, _bash),
    "text_editor": ToolKind(_describe_editor, _editor, ("max_characters",)),
    "memory": ToolKind(lambda wire: _MEMORY, _memory),
    "computer": ToolKind(
        _describe_computer, _computer, ("display_width_px", "display_height_px", "display_number", "enable_zoom")
    ),
}
"""By prefix of the type; the rest of it is the date of its version."""

COMPUTER_TOOLSET = "computer_toolset"
_HELD = _words("Keys that are held meanwhile, such as ctrl+shift")
_CLICK: Mapping[str, Json] = {"coordinate": _point("; where the cursor is when left out"), "text": _HELD}

_MEMBERS: Mapping[str, tuple[str, Json]] = {
    "screenshot": ("Shows the screen.", _schema({})),
    "zoom": ("Shows a part of the screen enlarged.", _schema({"region": _REGION}, "region")),
    "left_click": ("Clicks with the left button.", _schema(_CLICK)),
    "right_click": ("Clicks with the right button.", _schema(_CLICK)),
    "middle_click": ("Clicks with the middle button.", _schema(_CLICK)),
    "double_click": ("Clicks twice with the left button.", _schema(_CLICK)),
    "triple_click": ("Clicks three times with the left button.", _schema(_CLICK)),
    "left_click_drag": (
        "Drags from one point to another with the left button.",
        _schema(
            {"start_coordinate": _point(""), "coordinate": _point(""), "text": _HELD}, "start_coordinate", "coordinate"
        ),
    ),
    "mouse_move": ("Moves the cursor without a click.", _schema({"coordinate": _point("")}, "coordinate")),
    "left_mouse_down": ("Presses the left button and holds it.", _schema({})),
    "left_mouse_up": ("Releases the left button.", _schema({})),
    "cursor_position": ("Tells where the cursor is.", _schema({})),
    "scroll": (
        "Turns the wheel.",
        _schema(
            {**_CLICK, "scroll_direction": _DIRECTION, "scroll_amount": {"type": "integer"}},
            "scroll_direction",
            "scroll_amount",
        ),
    ),
    "type": ("Types text.", _schema({"text": _words("The text")}, "text")),
    "key": ("Presses a key or keys together.", _schema({"text": _words(_KEYS), "repeat": {"type": "integer"}}, "text")),
    "hold_key": (
        "Holds a key or keys together.",
        _schema({"text": _words(_KEYS), "duration": {"type": "integer", "description": "Seconds"}}, "text", "duration"),
    ),
    "wait": ("Waits.", _schema({"duration": {"type": "integer", "description": "Seconds"}}, "duration")),
}
"""The tools of the computer toolset of August 2026, all of them unless its ``configs`` say otherwise."""


def tool_kind(type: str) -> tuple[ToolKind, str] | None:
    """The kind of a tool that the client runs, and its version."""
    name, _, version = type.rpartition("_")
    kind = KINDS.get(name)
    return None if kind is None or not version.isdecimal() else (kind, version)


def is_toolset(type: str) -> bool:
    return type.rpartition("_")[0] == COMPUTER_TOOLSET


def toolset_tool_name(toolset: str, member: str) -> str:
    """The neutral name of a toolset's member; a pure function, so that the history needs no definition."""
    return f"{toolset}__{member}"


def members_of(wire: Body, path: str) -> list[ToolsetMember]:
    """The tools of a toolset that its definition, at ``path``, leaves enabled."""
    configs = mapping(wire.get("configs"))
    return [
        ToolsetMember(toolset_tool_name("computer", name), about, schema, toolset="computer", member=name, at=path)
        for name, (about, schema) in _MEMBERS.items()
        if mapping(configs.get(name)).get("enabled") is not False
    ]


class ToolsetNames:
    """The client's own names of the calls in an answer to ``request``."""

    def __init__(self, request: Request) -> None:
        self._members = {tool.name: tool for tool in request.tools if isinstance(tool, ToolsetMember)}

    def named(self, name: str) -> dict[str, Json]:
        member = self._members.get(name)
        return {"name": name} if member is None else {"name": member.member, "toolset_name": member.toolset}


def neutral_name(block: Body, name: str) -> str:
    """The neutral name of the tool that a block of the history names."""
    toolset = text(block.get("toolset_name"))
    return toolset_tool_name(toolset, name) if toolset else name

"""OpenAI's own tools that the client runs (a shell, patches, a screen), as functions, and their calls as items again.

One row per kind of tool. Invalid arguments of a model never become an action that it did not name: what cannot be read
is left empty, so that the client's own tool reports the error. Sources: openai.types.responses, the items of local
shell, shell, apply patch and computer calls; OpenAI's guides to these tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.dataclasses import dataclass
from nexus.protocols.checks import Body, a_string, an_array, an_object, objects_in
from nexus.wire import Json, count, encode, mapping, only, sequence, text

Arguments = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The result of a call: text, or the URL of an image."""

    words: str = ""
    image: Json = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ClientRun:
    """``call`` is the type of a call's item, ``prefix`` begins its id; ``write`` makes its members from a function's
    arguments, ``read`` is its inverse."""

    name: str
    call: str
    prefix: str
    description: str
    parameters: Json
    write: Callable[[Arguments], dict[str, Json]]
    read: Callable[[Body, str], Arguments]
    outcome: Callable[[Body, str], RunOutcome]
    cut: str = "incomplete"
    """The status of a call that broke off."""

    @property
    def output(self) -> str:
        """The type of the item that answers a call."""
        return f"{self.call}_output"


def _schema(properties: dict[str, Json], *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _strings(value: Json) -> list[str]:
    """A list of strings; a single string from a model means a list of one."""
    return [value] if isinstance(value, str) and value else [one for one in sequence(value) if isinstance(one, str)]


_WORDS: Json = {"type": "array", "items": {"type": "string"}}
_MILLISECONDS: Json = {"type": "integer", "description": "Milliseconds after which the run is ended"}


def _write_local(arguments: Arguments) -> dict[str, Json]:
    env = {name: value for name, value in mapping(arguments.get("env")).items() if isinstance(value, str)}
    action: dict[str, Json] = {"type": "exec", "command": _strings(arguments.get("command")), "env": env}
    optional = {
        "timeout_ms": count(arguments.get("timeout_ms")) or None,
        "user": text(arguments.get("user")) or None,
        "working_directory": text(arguments.get("working_directory")) or None,
    }
    return {"action": action | only(optional)}


def _read_action(item: Body, path: str) -> Arguments:
    action = an_object(item.get("action"), f"{path}.action")
    return {name: value for name, value in action.items() if name != "type" and value not in (None, {})}


def _write_shell(arguments: Arguments) -> dict[str, Json]:
    limits = {name: count(arguments.get(name)) or None for name in ("timeout_ms", "max_output_length")}
    return {"action": {"commands": _strings(arguments.get("commands") or arguments.get("command")), **limits}}


def _shell_outcome(item: Body, path: str) -> RunOutcome:
    """One paragraph for each command: its output, and how it ended unless it succeeded."""
    outcomes: list[str] = []
    for run, _ in objects_in(item.get("output"), f"{path}.output"):
        outcome = mapping(run.get("outcome"))
        lines = [text(run.get("stdout")).rstrip("\n")]
        if text(run.get("stderr")).strip():
            lines.append("[stderr]\n" + text(run.get("stderr")).rstrip("\n"))
        if outcome.get("type") == "timeout":
            lines.append("[timed out]")
        elif outcome.get("exit_code") not in (0, None):
            lines.append(f"[exit code {outcome['exit_code']}]")
        outcomes.append("\n".join(line for line in lines if line))
    return RunOutcome("\n\n".join(outcomes))


def _write_patch(arguments: Arguments) -> dict[str, Json]:
    """An unknown operation becomes an update without a path, which changes nothing."""
    arguments = mapping(arguments.get("operation")) or arguments
    path, diff = text(arguments.get("path")), text(arguments.get("diff"))
    match arguments.get("type"):
        case "delete_file":
            return {"operation": {"type": "delete_file", "path": path}}
        case "create_file" | "update_file" as kind:
            return {"operation": {"type": kind, "path": path, "diff": diff}}
        case _:
            return {"operation": {"type": "update_file", "path": "", "diff": diff}}


_ACTION: Json = {
    "type": "object",
    "properties": {
        "type": {
            "type": "string",
            "enum": ["click", "double_click", "drag", "keypress", "move", "screenshot", "scroll", "type", "wait"],
        },
        "x": {"type": "integer", "description": "Pixels from the left, for click, double_click, move and scroll"},
        "y": {"type": "integer", "description": "Pixels from the top, for click, double_click, move and scroll"},
        "button": {"type": "string", "enum": ["left", "right", "wheel", "back", "forward"], "description": "For click"},
        "path": {
            "type": "array",
            "items": _schema({"x": {"type": "integer"}, "y": {"type": "integer"}}, "x", "y"),
            "description": "The points of a drag",
        },
        "scroll_x": {"type": "integer", "description": "For scroll"},
        "scroll_y": {"type": "integer", "description": "For scroll"},
        "keys": {**_WORDS, "description": "For keypress; with other actions, keys that are held meanwhile"},
        "text": {"type": "string", "description": "For type"},
    },
    "required": ["type"],
}
_SCREEN = "Controls a computer by mouse and keyboard. Its result is a picture of the screen. "


def _write_actions(arguments: Arguments) -> dict[str, Json]:
    actions = [dict(action) for entry in sequence(arguments.get("actions")) if (action := mapping(entry))]
    return {"actions": actions, "pending_safety_checks": []}


def _write_one_action(arguments: Arguments) -> dict[str, Json]:
    # A screenshot changes nothing, and shows the model the current state after its mistake.
    action = mapping(arguments.get("action")) or {"type": "screenshot"}
    return {"action": dict(action), "pending_safety_checks": []}


def _read_actions(item: Body, path: str) -> Arguments:
    if item.get("actions") is not None:
        return {"actions": an_array(item["actions"], f"{path}.actions")}
    return {"action": an_object(item.get("action"), f"{path}.action")}


def _screen_outcome(item: Body, path: str) -> RunOutcome:
    screenshot = an_object(item.get("output"), f"{path}.output")
    return RunOutcome(image={"type": "input_image", **only({name: screenshot.get(name) for name in _SCREENSHOT})})


_SCREENSHOT = ("image_url", "file_id", "detail")

LOCAL_SHELL = ClientRun(
    "local_shell",
    "local_shell_call",
    "lsh",
    "Runs one command on the user's machine and returns what it printed.",
    _schema(
        {
            "command": {**_WORDS, "description": 'The program and its arguments, such as ["bash", "-lc", "ls"]'},
            "working_directory": {"type": "string"},
            "timeout_ms": _MILLISECONDS,
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "command",
    ),
    _write_local,
    _read_action,
    lambda item, path: RunOutcome(a_string(item, "output", path)),
)
SHELL = ClientRun(
    "shell",
    "shell_call",
    "sh",
    "Runs shell commands on the user's machine and returns what each of them printed and how it ended.",
    _schema(
        {
            "commands": {**_WORDS, "description": "Command lines, each by itself"},
            "timeout_ms": _MILLISECONDS,
            "max_output_length": {"type": "integer", "description": "Characters of output to return of each command"},
        },
        "commands",
    ),
    _write_shell,
    _read_action,
    _shell_outcome,
)
APPLY_PATCH = ClientRun(
    "apply_patch",
    "apply_patch_call",
    "apc",
    "Creates, updates or deletes one file of the user. The diff of a new file is its text with + before every line. "
    "The diff of an update has one or more sections; each begins with a line that is @@, or @@ and the line of the "
    "file, such as the head of a function, below which the section is. Then come lines of the file: those that stay "
    "with a blank before them, those that go with -, those that are new with +. Give three lines that stay before and "
    "after each change. There are no line numbers and no file headers.",
    _schema(
        {
            "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            "path": {"type": "string", "description": "The path of the file"},
            "diff": {"type": "string", "description": "What changes; left out for delete_file"},
        },
        "type",
        "path",
    ),
    _write_patch,
    lambda item, path: an_object(item.get("operation"), f"{path}.operation"),
    lambda item, path: RunOutcome(text(item.get("output")), failed=item.get("status") == "failed"),
    cut="in_progress",
)
COMPUTER = ClientRun(
    "computer",
    "computer_call",
    "cu",
    _SCREEN + "Actions are carried out in their order.",
    _schema({"actions": {"type": "array", "items": _ACTION}}, "actions"),
    _write_actions,
    _read_actions,
    _screen_outcome,
)
COMPUTER_PREVIEW = ClientRun(
    "computer",
    "computer_call",
    "cu",
    _SCREEN,
    _schema({"action": _ACTION}, "action"),
    _write_one_action,
    _read_actions,
    _screen_outcome,
)

KINDS: Mapping[str, ClientRun] = {
    "local_shell": LOCAL_SHELL,
    "shell": SHELL,
    "apply_patch": APPLY_PATCH,
    "computer": COMPUTER,
    "computer_use": COMPUTER,
    "computer_use_preview": COMPUTER_PREVIEW,
}
"""By the type of the tool."""

CALLS: Mapping[str, ClientRun] = {run.call: run for run in (LOCAL_SHELL, SHELL, APPLY_PATCH, COMPUTER)}
OUTPUTS: Mapping[str, ClientRun] = {run.output: run for run in CALLS.values()}


def run_of(wire: Body) -> ClientRun | None:
    """The kind of a tool that the client runs; None for others, such as a shell in an OpenAI container."""
    kind = text(wire.get("type"))
    hosted = mapping(wire.get("environment")).get("type", "local") != "local"
    return None if kind == "shell" and hosted else KINDS.get(kind)


def description_of(run: ClientRun, wire: Body) -> str:
    """The description, with what the definition says about the machine: its screen, its skills."""
    width, height = count(wire.get("display_width")), count(wire.get("display_height"))
    lines = [run.description.strip()]
    if width and height:
        lines.append(f"The screen has {width} x {height} pixels ({text(wire.get('environment')) or 'unknown system'}).")
    for entry in map(mapping, sequence(mapping(wire.get("environment")).get("skills"))):
        named = (text(entry.get(name)) for name in ("name", "description", "path"))
        lines.append("Skill {}: {} ({})".format(*named))
    return "\n".join(lines)


def write_arguments(run: ClientRun, item: Body, path: str) -> str:
    return encode(run.read(item, path)).decode()

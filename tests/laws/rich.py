"""Requests with everything that a client of each protocol can send, and replacements for their values.

Data only; these are not realistic requests.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Wire = dict[str, Any]

FIXTURES = Path(__file__).parent.parent / "fixtures" / "rich"
RICH: Mapping[str, Wire] = {path.stem: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*.json"))}

HISTORY = {
    "chat": "messages",
    "messages": "messages",
    "responses": "input",
    "gemini": "contents",
    "converse": "messages",
}

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3.5, 1e300, 10**400, -(10**400), 2**64),
    *("", "nexus.x", "nexus.messages.x", "nexus.gemini.{", "x" * 300, "9" * 5000, "\x00", "\ud800", "é", "auto"),
    *("data:;base64,", "data:image/png;base64,!", "https://", "[]", "{", "text", "#/" + "9" * 5000),
    *([], {}, [[]], [{}], [None], ["nexus.x"], ["nexus.{"], {"type": {}}, {"type": []}, {"type": "text", "text": {}}),
    *({"": ""}, {"$ref": "#"}, {"$ref": []}, {"anyOf": []}, {"type": ["string", {}]}, {"required": [{}, []]}),
)
"""Values that no API field expects."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every member and element."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from places(inner, (*path, at))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to three members replaced, wrapped, repeated or left out."""
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        document = _changed(draw, document, found[draw(st.integers(0, len(found) - 1))])
    return document


def _changed(draw: st.DrawFn, value: Any, path: tuple[Any, ...]) -> Any:
    head, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[head] = _changed(draw, copy[head], tuple(rest))
        return copy
    match draw(st.sampled_from(["replace", "replace", "replace", "wrap", "type", "drop", "repeat"])):
        case "replace":
            copy[head] = draw(st.sampled_from(JUNK))
        case "wrap":
            copy[head] = [copy[head]]
        case "type":
            copy[head] = {"type": copy[head]}
        case "repeat" if isinstance(copy, list):
            copy.insert(head, copy[head])
        case _:
            del copy[head]
    return copy


@st.composite
def requests(draw: st.DrawFn, client: str) -> Wire:
    """Some of the fields, messages and tools, with damage."""
    body = dict(RICH[client])
    kept = draw(st.sets(st.sampled_from(sorted(body)), max_size=5))
    body = {name: value for name, value in body.items() if name in {"model", "max_tokens", HISTORY[client], *kept}}
    body[HISTORY[client]] = draw(st.lists(st.sampled_from(body[HISTORY[client]]), min_size=1, max_size=3))
    body[HISTORY[client]] = [_shorter(draw, message) for message in body[HISTORY[client]]]
    if isinstance(body.get("tools"), list):
        body["tools"] = draw(st.lists(st.sampled_from(body["tools"]), max_size=2))
    changed: Wire = draw(mutated(body))
    return changed


def _shorter(draw: st.DrawFn, message: Any) -> Any:
    content = message.get("content")
    if not isinstance(content, list) or not content or draw(st.booleans()):
        return message
    return {**message, "content": [draw(st.sampled_from(content))]}

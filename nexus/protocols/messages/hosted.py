"""A Messages request for a host of Claude other than Anthropic: fields that such a host does not support are dropped by
name.

An allow-list of fields, only at the top level and at known paths, never inside a schema or content; the provider
decides what its host or a model supports. A host answers 400 to every unknown field, and a client written for
Anthropic's own API cannot know that. The client's bytes are spliced, not serialized again. Sources: anthropic SDK 2.12,
types of the stable request; the hosts' own pages, see the providers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from nexus.dataclasses import dataclass
from nexus.errors import UnsupportedFeature
from nexus.late import pattern
from nexus.protocols.checks import Drops
from nexus.protocols.messages.fields import NO_THREADS
from nexus.protocols.messages.turn_controls import as_user_words, cleared, in_words, is_silent, last_effort, with_effort
from nexus.protocols.rewrite import ANY, REMOVE, Edited, Judge, cut, judging, remove
from nexus.wire import Json, decode, encode, mapping, sequence

Path = tuple[str, ...]
"""Keys from the top; ``*`` stands for every element of an array."""

DISPLAY_BETA = "thinking-display-updates-2026-08-18"
PER_TURN_BETA = "per-turn-control-2026-07-01"
SYSTEM_BETA = "mid-conversation-system-"
TOOL_CHANGES_BETA = "mid-conversation-tool-changes-2026-07-01"

_CACHE = frozenset({"type", "ttl", "scope"})
_CACHED: tuple[Path, ...] = (
    ("system", ANY, "cache_control"),
    ("tools", ANY, "cache_control"),
    ("messages", ANY, "content", ANY, "cache_control"),
    ("messages", ANY, "content", ANY, "content", ANY, "cache_control"),
)


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


FIELDS: Mapping[Path, frozenset[str]] = {
    (): _names(
        "anthropic_beta anthropic_version container context_management max_tokens mcp_servers messages "
        "metadata model output_config output_format stop_sequences stream system temperature thinking tool_choice "
        "tools top_k top_p"
    ),
    ("thinking",): frozenset({"type", "budget_tokens", "display", "block_binding"}),
    ("output_config",): frozenset({"effort", "format", "task_budget"}),
    ("context_management",): frozenset({"edits"}),
    ("metadata",): frozenset({"user_id"}),
    ("tool_choice",): frozenset({"type", "name", "disable_parallel_tool_use"}),
    ("messages", ANY): frozenset({"role", "content"}),
    # Members of custom tools and of tools that Anthropic defines.
    ("tools", ANY): _names(
        "allowed_callers allowed_domains blocked_domains cache_control caching citations configs "
        "default_config defer_loading description display_height_px display_number display_width_px "
        "eager_input_streaming enable_zoom input_examples input_schema max_characters max_content_tokens "
        "max_tokens max_uses mcp_server_name model name response_inclusion strict type use_cache "
        "user_location"
    ),
    **dict.fromkeys(_CACHED, _CACHE),
}
"""Fields that every host supports, or rejects with a useful message."""

_READABLE = pattern(r"[A-Za-z0-9_.-]{1,64}")
"""Names that the reply's header of dropped fields can list."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Features that the provider's settings add to this host: betas, and fields by dotted paths."""

    betas: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


NOTHING = Extra()


def field_name(path: Path) -> str:
    """The name under which a dropped member is reported."""
    return ".".join(key for key in path if key != ANY)


def readable(name: str) -> str:
    return name if _READABLE.fullmatch(name) else "?"


def betas_in(header: str, body: Iterable[Json]) -> list[str]:
    """The betas in the header, and those that a client of a host's own format sends in the body, without duplicates."""
    named = (part.strip() for part in (*header.split(","), *body) if isinstance(part, str))
    return list(dict.fromkeys(filter(None, named)))


def fit_host(raw: bytes, extra: Extra, own: Collection[str] = (), *, takes_systems: bool = True) -> Edited:
    """The body without fields that no host supports.

    ``own`` are fields that this host supports or handles itself; with the betas in ``extra`` it also accepts their
    fields and blocks. ``takes_systems`` says that the model supports the role ``system`` there. Raises
    UnsupportedFeature for a request to store the conversation, which cannot be dropped silently.
    """
    document, betas = mapping(decode(raw)), extra.betas
    fields = {*extra.fields, *own}
    if document.get("thread") and "thread" not in fields:
        raise UnsupportedFeature.about("thread", NO_THREADS)
    if PER_TURN_BETA in betas:
        fields |= {"messages.output_config", "messages.clear_at"}
    judges: list[tuple[Path, Judge]] = [(path, remove) for path in dict.fromkeys(_unknown(document, fields))]
    if DISPLAY_BETA not in betas and mapping(document.get("thinking")).get("display") == "updates":
        judges.append((("thinking", "display"), lambda _: b'"summarized"'))
    drops, body = Drops(readable(field_name(path)) for path, _ in judges), raw
    if "messages.output_config" in drops.names and (effort := last_effort(document.get("messages"))):
        body = with_effort(raw, document, effort)
    body = cut(body, judging(judges)) if judges else body
    body = _fit_messages(body, document, drops, keeps_changes=TOOL_CHANGES_BETA in betas)
    edited = Edited(body, drops.names)
    if not (takes_systems or any(beta.startswith(SYSTEM_BETA) for beta in betas)) and has_systems(document):
        return edited.then(systems_as_users)
    return edited


def _fit_messages(raw: bytes, document: Mapping[str, Json], drops: Drops, *, keeps_changes: bool) -> bytes:
    """The body without empty messages, with changes of tools as text."""
    messages = sequence(document.get("messages"))
    gone = {at for at, one in enumerate(messages) if is_silent(one)}
    if "messages.clear_at" in drops.names:
        gone |= {*cleared(messages)}
    changes = [] if keeps_changes else [kind for message in messages for kind in _changes(message)]
    drops.add(*(f"messages.content.{kind}" for kind in changes))
    if len(gone) == len(messages):
        gone = set()  # for the host to refuse
    if any(is_silent(messages[at]) for at in gone):
        drops.add("messages.content=none")
    body = cut(raw, {"messages": {ANY: {"content": {ANY: _in_words}}}}) if changes else raw
    return _without(body, gone) if gone else body


def _changes(message: Json) -> Iterator[str]:
    for block in sequence(mapping(message).get("content")):
        if in_words(block) is not None:
            yield str(mapping(block)["type"])


def _in_words(block: bytes) -> bytes | None:
    if b"tool_" not in block[:4096]:
        return None
    wire = mapping(decode(block))
    words = in_words(wire)
    if words is None:
        return None
    kept = {"cache_control": wire["cache_control"]} if wire.get("cache_control") else {}
    return encode({"type": "text", "text": words, **kept})


def _without(raw: bytes, gone: Collection[int]) -> bytes:
    numbers = iter(range(1 << 30))
    return cut(raw, {"messages": {ANY: lambda _: REMOVE if next(numbers) in gone else None}})


def _unknown(document: Mapping[str, Json], more: Collection[str]) -> Iterator[Path]:
    for path, known in FIELDS.items():
        for (found,) in values(document, path):
            for name in found if isinstance(found, dict) else ():
                if name not in known and field_name((*path, name)) not in more:
                    yield (*path, name)


def values(document: Json, path: Path) -> Iterator[tuple[Json]]:
    """The values at ``path``, each in a tuple of its own, because they can be null."""
    if not path:
        yield (document,)
    elif path[0] == ANY:
        for element in sequence(document):
            yield from values(element, path[1:])
    elif isinstance(document, dict) and path[0] in document:
        yield from values(document[path[0]], path[1:])


def has_systems(document: Mapping[str, Json]) -> bool:
    return any(map(_is_system, sequence(document.get("messages"))))


def systems_as_users(raw: bytes) -> Edited:
    """The body for a model without the role ``system``: such messages become marked text of the neighbouring user turn.

    Bytes of the client's other messages, and of the blocks next to the system's, stay unchanged. The turn that gets the
    text stays one turn, with its tool results first, as the API requires after calls.
    """
    messages = sequence(mapping(decode(raw)).get("messages"))
    verdicts: list[bytes | None] = [None] * len(messages)
    turns = groupby(range(len(messages)), lambda at: mapping(messages[at]).get("role") == "assistant")
    joined = [list(group) for is_assistant, group in turns if not is_assistant]
    joined = [turn for turn in joined if any(_is_system(messages[at]) for at in turn)]
    if not joined:
        return Edited(raw)
    raws = _raw_messages(raw)
    for first, *rest in joined:
        blocks = [block for at in (first, *rest) for block in _blocks(messages[at], raws[at])]
        # A stable order: only results move.
        blocks.sort(key=lambda block: mapping(decode(block)).get("type") != "tool_result")
        if blocks:
            verdicts[first] = b'{"role":"user","content":[%b]}' % b",".join(blocks)
            verdicts[first + 1 : first + 1 + len(rest)] = [REMOVE] * len(rest)
    numbers = iter(range(len(messages)))
    return Edited(cut(raw, {"messages": {ANY: lambda _: verdicts[next(numbers)]}}), ("messages.role",))


def _is_system(message: Json) -> bool:
    return mapping(message).get("role") == "system"


def _raw_messages(raw: bytes) -> list[bytes]:
    messages: list[bytes] = []
    cut(raw, {"messages": {ANY: messages.append}})
    return messages


def _blocks(message: Json, raw: bytes) -> list[bytes]:
    """A message's content as blocks, those of a system message marked."""
    content = mapping(message).get("content")
    if isinstance(content, str):
        words = as_user_words(content) if _is_system(message) else content
        return [encode({"type": "text", "text": words})] if content else []
    if not isinstance(content, Sequence):
        return []
    blocks: list[bytes] = []
    rules: dict[str, Any] = {"content": {ANY: blocks.append}}
    cut(raw, rules)
    return [_marked(block) for block in blocks] if _is_system(message) else blocks


def _marked(block: bytes) -> bytes:
    wire = mapping(decode(_in_words(block) or block))
    words = wire.get("text")
    return encode({**wire, "text": as_user_words(words)}) if isinstance(words, str) else block

"""A Messages request for a host of Claude that is not Anthropic: what such a host does not know stays behind, by name.

An allow-list of fields, at the top and at known paths only, never inside a schema or content; what a host or a
model takes of these is the provider's to say. A host answers 400 to every field that it does not know, and a client
written for Anthropic's own API cannot know that. The client's bytes are spliced, not written again. Sources: anthropic
SDK 2.12, types of the stable request; the hosts' own pages, see the providers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.protocols.messages.hosted_systems import SAID, has_systems, systems_as_users
from nexus.protocols.messages.turn_controls import in_words, is_cleared, is_silent, last_effort, with_effort
from nexus.protocols.rewrite import ANY, REMOVE, cut
from nexus.wire import Json, decode, encode, mapping, sequence

Path = tuple[str, ...]

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
        "metadata model output_config output_format stop_sequences stream system temperature thinking thread "
        "tool_choice tools top_k top_p"
    ),
    ("thinking",): frozenset({"type", "budget_tokens", "display", "block_binding"}),
    ("output_config",): frozenset({"effort", "format", "task_budget"}),
    ("context_management",): frozenset({"edits"}),
    ("metadata",): frozenset({"user_id"}),
    ("tool_choice",): frozenset({"type", "name", "disable_parallel_tool_use"}),
    ("messages", ANY): frozenset({"role", "content"}),
    # Those of a custom tool, and of tools that Anthropic defines.
    ("tools", ANY): _names(
        "allowed_callers allowed_domains blocked_domains cache_control caching citations configs "
        "default_config defer_loading description display_height_px display_number display_width_px "
        "eager_input_streaming enable_zoom input_examples input_schema max_characters max_content_tokens "
        "max_tokens max_uses mcp_server_name model name response_inclusion strict type use_cache "
        "user_location"
    ),
    **dict.fromkeys(_CACHED, _CACHE),
}
"""What every host knows, or refuses in words that tell the user something."""

_READABLE = pattern(r"[A-Za-z0-9_.-]{1,64}")
"""Names of drops end in a header of the reply."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a provider's settings say that this host takes on top: betas, and fields by their paths with dots."""

    betas: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Draft:
    rules: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def plant(self, path: Path, judge: Callable[[bytes], bytes | None]) -> None:
        branch = self.rules
        for key in path[:-1]:
            branch = branch.setdefault(key, {})
        branch[path[-1]] = judge

    def drop(self, path: Path) -> None:
        name = ".".join(key for key in path if key != ANY)
        if (shown := name if _READABLE.fullmatch(name) else "?") not in self.dropped:
            self.dropped.append(shown)


def fit_host(
    raw: bytes, extra: Extra, own: Collection[str] = (), *, takes_systems: bool = True
) -> tuple[bytes, tuple[str, ...]]:
    """The body without what no host knows, and the names of that.

    ``own`` are fields that this host knows or judges itself; of the betas in ``extra`` it takes fields and blocks too.
    ``takes_systems`` says that the model knows the role ``system`` there.
    """
    document, betas = mapping(decode(raw)), extra.betas
    draft = _Draft()
    fields = {*extra.fields, *own}
    if PER_TURN_BETA in betas:
        fields |= {"messages.output_config", "messages.clear_at"}
    for path in dict.fromkeys(_unknown(document, fields)):
        draft.drop(path)
        draft.plant(path, lambda _: REMOVE)
    if DISPLAY_BETA not in betas and mapping(document.get("thinking")).get("display") == "updates":
        draft.drop(("thinking", "display"))
        draft.plant(("thinking", "display"), lambda _: b'"summarized"')
    body = raw
    if "messages.output_config" in draft.dropped and (effort := last_effort(document.get("messages"))):
        body = with_effort(raw, document, effort)
    body = cut(body, draft.rules) if draft.rules else body
    body, more = _fit_messages(body, document, draft, keeps_changes=TOOL_CHANGES_BETA in betas)
    if not (takes_systems or any(beta.startswith(SYSTEM_BETA) for beta in betas)) and has_systems(document):
        body, more = systems_as_users(body), [*more, SAID]
    return body, tuple(dict.fromkeys((*draft.dropped, *more)))


def _fit_messages(
    raw: bytes, document: Mapping[str, Json], draft: _Draft, *, keeps_changes: bool
) -> tuple[bytes, list[str]]:
    """The body less messages that say nothing, with changes of tools in words."""
    messages = sequence(document.get("messages"))
    dropped: list[str] = []
    gone: set[int] = set()
    for at, message in enumerate(messages):
        if is_silent(message) or ("messages.clear_at" in draft.dropped and is_cleared(messages, at)):
            gone.add(at)
    changes = [] if keeps_changes else [kind for message in messages for kind in _changes(message)]
    dropped += [f"messages.content.{kind}" for kind in changes]
    if len(gone) == len(messages):
        gone = set()  # for the host to refuse
    if any(is_silent(messages[at]) for at in gone):
        dropped.append("messages.content=none")
    rules: dict[str, Any] = {}
    if changes:
        rules = {"messages": {ANY: {"content": {ANY: _readable}}}}
    elif not gone:
        return raw, dropped
    body = cut(raw, rules) if rules else raw
    return (_without(body, gone) if gone else body), dropped


def _changes(message: Json) -> Iterator[str]:
    for block in sequence(mapping(message).get("content")):
        if in_words(block) is not None:
            yield str(mapping(block)["type"])


def _readable(block: bytes) -> bytes | None:
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
        for found in _objects(document, path):
            for name in found:
                dotted = ".".join(key for key in (*path, name) if key != ANY)
                if name not in known and dotted not in more:
                    yield (*path, name)


def _objects(value: Json, path: Path) -> Iterable[Mapping[str, Json]]:
    if not path:
        return [value] if isinstance(value, dict) else []
    if path[0] == ANY:
        return [found for item in sequence(value) for found in _objects(item, path[1:])]
    return _objects(mapping(value).get(path[0]), path[1:])

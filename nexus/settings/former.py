"""Settings of Nexus 0.6, the earlier router of that name: which are renamed, ignored or rejected.

``FORMER`` is the only list: a file is rewritten by it before validation, and a test checks the migration page against
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Any, Literal

from nexus.dataclasses import dataclass, field
from nexus.settings.problems import dotted
from nexus.settings.types import KeyPath, Location

_STORAGE = ("server", "rate_limits", "storage")
_OTLP = (
    ("telemetry", "exporters", "otlp"),
    ("telemetry", "tracing", "exporters", "otlp"),
    ("telemetry", "metrics", "exporters", "otlp"),
)


@dataclass(frozen=True, slots=True)
class Former:
    """A key of Nexus 0.6; ``*`` in ``path`` matches any name. ``now`` is the new path of a renamed key. ``advice``
    follows the path in a warning or, for a rejected key, in the problem.
    """

    path: tuple[str, ...]
    verdict: Literal["renamed", "ignored", "refused"]
    advice: str
    now: tuple[str, ...] = ()


def _refused(*path: str, advice: str) -> Former:
    return Former(path, "refused", f"is not supported: {advice}")


def _renamed(path: tuple[str, ...], *now: str) -> Former:
    return Former((*_STORAGE, *path), "renamed", f"is called {'.'.join(now)}", (*_STORAGE, *now))


def _ignored(*path: str, advice: str) -> Former:
    return Former((*_STORAGE, *path), "ignored", f"has no effect: {advice}")


FORMER: tuple[Former, ...] = (
    _refused(
        "mcp",
        advice="Nexus routes calls to language models and is not an MCP server; remove this table, and point MCP "
        "clients at their servers or at an MCP gateway",
    ),
    _refused(
        *("llm", "proxy", "anthropic"),
        advice="what Anthropic's clients send passes untouched through llm.protocols.anthropic to a provider of type "
        "anthropic, with forward_token = true for the callers' own keys; remove this table",
    ),
    _refused(
        *("llm", "providers", "*", "model_filter"),
        advice="models are served only by name; write one table for each, as nexus check --discover lists them",
    ),
    _renamed(("connection_timeout",), "connect_timeout"),
    _renamed(("pool", "max_size"), "pool_size"),
    *(
        _ignored("pool", name, advice="the pool opens connections on demand")
        for name in ("min_idle", "timeout_create", "timeout_wait", "timeout_recycle")
    ),
    _renamed(("tls", "ca_cert_path"), "tls", "ca_file"),
    _renamed(("tls", "client_cert_path"), "tls", "cert_file"),
    _renamed(("tls", "client_key_path"), "tls", "key_file"),
    _ignored("tls", "enabled", advice='a URL that begins with "rediss://" means TLS'),
    _refused("telemetry", "logs", advice="the log goes to stderr (--log-style json), where a collector can read it"),
    _refused("telemetry", "tracing", "collect", advice="the size of spans is fixed; remove it"),
    _refused(*("telemetry", "tracing", "propagation"), advice="the W3C trace context is always propagated; remove it"),
    *(
        _refused(*otlp, "batch_export", "max_concurrent_exports", advice="one export runs at a time; remove it")
        for otlp in _OTLP
    ),
)


@dataclass(slots=True)
class Translated:
    """The rewritten data, the problems of rejected keys, and notes for warnings."""

    data: Any
    problems: list[Location] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def translate(data: Any) -> Translated:
    """A file's tables with 0.6 names replaced by the current ones."""
    result = Translated(deepcopy(data))
    for former in FORMER:
        for path in list(_found(result.data, former.path)):
            _apply(result, former, path)
    return result


def _apply(result: Translated, former: Former, path: KeyPath) -> None:
    value = _take(result.data, path)
    if former.verdict == "refused":
        result.problems.append((path, former.advice))
        return
    if former.path[-2:] == ("tls", "enabled") and value is True and not _is_rediss(result.data):
        result.problems.append((path, 'is part of the URL: write url = "rediss://..."'))
        return
    if former.verdict == "renamed" and not _put(result.data, former.now, value):
        result.problems.append((path, f"{former.advice}, which is set too; remove this one"))
        return
    result.notes.append(f"{dotted(path)} {former.advice}")


def _is_rediss(data: Any) -> bool:
    table: Any = next((reduce(getitem, path, data) for path in _found(data, _STORAGE)), None)
    return isinstance(table, dict) and str(table.get("url", "")).strip().startswith("rediss:")


def _found(data: Any, pattern: tuple[str, ...], path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths in ``data`` that match a pattern."""
    if not pattern:
        yield path
    elif isinstance(data, Mapping):
        for name in list(data) if pattern[0] == "*" else [pattern[0]]:
            if name in data:
                yield from _found(data[name], pattern[1:], (*path, name))


def _take(data: Any, path: KeyPath) -> Any:
    """Removes and returns the value at a path; also removes a ``pool`` or ``proxy`` table that becomes empty."""
    *above, name = path
    table = reduce(getitem, above, data)
    value = table.pop(name)
    if above and not table and above[-1] in ("pool", "proxy"):
        reduce(getitem, above[:-1], data).pop(above[-1])
    return value


def _put(data: Any, path: KeyPath, value: Any) -> bool:
    *above, name = path
    table = reduce(getitem, above, data)
    return name not in table and table.setdefault(name, value) is value

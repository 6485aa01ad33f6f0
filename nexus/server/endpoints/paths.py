"""Suggestions for unknown paths: the nearest path that exists, and the base URL to configure.

Clients append an endpoint to their base URL. If the base URL is a whole endpoint, has one ``/v1`` too many or too few,
ends in a slash or belongs to the other protocol, the last part of the path is still an endpoint.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from nexus.dataclasses import dataclass
from nexus.protocols.dialect import Dialect
from nexus.protocols.loader import DIALECTS, FORMS, PROTOCOLS
from nexus.protocols.protocol import Protocol
from nexus.protocols.responses.dialect import is_codex
from nexus.settings import ServerSettings, Settings

DIALECTS_OF: dict[str, tuple[Dialect, ...]] = {
    name: tuple(dialect for dialect in FORMS.values() if dialect.protocol == protocol)
    for name, protocol in PROTOCOLS.items()
}
"""The dialects of each protocol; the first one is used for errors at the protocol's other paths."""

DEFAULT = DIALECTS["chat"]
"""The dialect for errors at paths that belong to no protocol."""

SHOWN = 200
"""Maximum characters of an unknown path that an error repeats."""

MOST_WORDS = 16
"""Parts of an unknown path, counted from its end, among which an endpoint is searched: on the loop, for anyone."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where a protocol is served; ``path`` is "" at the root."""

    protocol: Protocol
    path: str

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        return DIALECTS_OF[self.protocol.name]

    @property
    def url_path(self) -> str:
        """The path of the base URL that its clients are configured with."""
        return self.path + self.protocol.base

    @property
    def versioned(self) -> str:
        """The prefix of every operation's path."""
        return self.path + self.protocol.version

    @property
    def pattern(self) -> str:
        """A regular expression for ``versioned`` that matches every version of the protocol."""
        return re.escape(self.path) + f"(?:{'|'.join(map(re.escape, self.protocol.versions))})"

    @property
    def models(self) -> tuple[str, ...]:
        """The paths that list models, one per version."""
        listed = self.protocol.models
        return () if listed is None else tuple(self.path + version + listed for version in self.protocol.versions)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An existing endpoint; ``pattern`` matches the path after the version."""

    base: Base
    dialect: Dialect
    pattern: str
    path: str | None = None
    """The path after the version, or None if the endpoint has many paths."""
    answers: bool = True
    """Whether the endpoint calls a model, rather than listing models."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The endpoint that an unknown path most likely means; ``path`` is a whole path to suggest."""

    base: Base
    dialect: Dialect
    path: str


def bases(settings: Settings) -> list[Base]:
    return [Base(PROTOCOLS[name], path) for name, path in settings.llm.paths.items()]


def base_of(settings: Settings, dialect: Dialect) -> Base:
    """Returns the base of a dialect; it must be one that is served."""
    return next(base for base in bases(settings) if dialect in base.dialects)


def dialect_at(settings: Settings, path: str, headers: Mapping[str, str]) -> Dialect:
    """Returns the dialect for errors at an unknown path; ``headers`` have lower-case names."""
    if (base := _base_at(settings, path, headers)) is not None:
        return base.dialects[0]
    if (found := _nearest(settings, path, headers)) is not None:
        return found.dialect
    below = [base for base in bases(settings) if path == base.path or path.startswith(f"{base.path}/")]
    best = max(below, key=lambda base: (base.protocol.likeness(headers) > 0, len(base.path)), default=None)
    return DEFAULT if best is None else best.dialects[0]


def _nearest(settings: Settings, path: str, headers: Mapping[str, str]) -> Nearest | None:
    """Returns the endpoint that a path most likely means, or None; the path must not be a base URL."""
    known = list(_endpoints(settings))
    words = [word for word in path.split("/") if word][-MOST_WORDS:]
    tails = ["/" + "/".join(words[start:]) for start in range(len(words) - 1, -1, -1)]
    # Endpoints of the protocol whose base contains the path go first.
    below = [endpoint for endpoint in known if _within(path, endpoint.base)]
    if any(endpoint.base.protocol.likeness(headers) > 0 for endpoint in below):
        # The client's base URL is right: another protocol's endpoint is not what it means.
        known = below
    # Anything after models/ could be a model's name, so more specific endpoints are tried first.
    for among in (_only(below, answer=True), _only(below, answer=False), _only(known, answer=True), known):
        for tail, longer in zip(tails, [*tails[1:], ""], strict=False):
            # One endpoint's path may end with another's: ``/chat/completions`` ends with ``/completions``.
            found = [endpoint for endpoint in among if endpoint.path == longer]
            found = found or [endpoint for endpoint in among if re.fullmatch(endpoint.pattern, tail)]
            if found:
                best = max(found, key=lambda endpoint: _likeness(endpoint, path, tail, headers))
                return Nearest(best.base, best.dialect, best.base.versioned + (best.path or tail))
    return _alike(known, "/" + "/".join(words))


def _only(endpoints: list[Endpoint], *, answer: bool) -> list[Endpoint]:
    return [endpoint for endpoint in endpoints if endpoint.answers is answer]


def _base_at(settings: Settings, path: str, headers: Mapping[str, str]) -> Base | None:
    """Returns the base whose URL is this path, with or without the version, or None."""
    plain = "/" + "/".join(word for word in path.split("/") if word)
    found = [base for base in bases(settings) if plain in (base.url_path, base.versioned)]
    return max(found, key=lambda base: base.protocol.likeness(headers), default=None)


def _within(path: str, base: Base) -> bool:
    return path.startswith(f"{base.path}/") and base.path != ""


def describe(settings: Settings, path: str, headers: Mapping[str, str], origin: str) -> tuple[str, bool]:
    """Returns the error message for an unknown path, and whether it names the base URL that the client needs;
    ``origin`` is this server's URL as the client sees it, or ""."""
    shown = path if len(path) <= SHOWN else path[:SHOWN] + "..."
    if (elsewhere := _elsewhere(settings.server, path)) is not None:
        return f"{path} is served at another address: {elsewhere}", False
    if (base := _base_at(settings, path, headers)) is not None:
        given = origin + base.url_path or "/"
        return f"{shown} is not an endpoint: configure the base URL {given} in the client, which appends the rest", True
    if (found := _nearest(settings, path, headers)) is not None:
        base = found.base
        # A client that appends no version needs it in its base URL.
        without = found.path == base.versioned + path.removeprefix(base.url_path)
        wanted = origin + (base.versioned if without else base.url_path) or "/"
        return f"{shown} does not exist; did you mean {found.path[:SHOWN]}? The base URL to set is {wanted}", True
    health, metrics = settings.server.health, settings.server.metrics
    own = [health.path, health.ready_path] * health.enabled + [metrics.path] * metrics.enabled
    if near := difflib.get_close_matches(path[:SHOWN], own, 1, 0.8):
        return f"{shown} does not exist; did you mean {near[0]}?", False
    return f"{shown} does not exist{_base_urls(settings, origin)}", False


def hides_404(headers: Mapping[str, str]) -> bool:
    """Whether the client is Claude Code, which shows every 404 as a problem of the model, without the message, or
    Codex, which retries a 404 five times."""
    return headers.get("user-agent", "").startswith("claude-cli/") or is_codex(headers)


def no_proxy(settings: Settings) -> str:
    """Returns the error message for CONNECT, which a client sends if Nexus is configured as its proxy."""
    return f"this gateway is not a forward proxy: set a base URL in the client, not HTTPS_PROXY{_base_urls(settings)}"


def _base_urls(settings: Settings, origin: str = "") -> str:
    known = [f"{base.protocol.name}: {origin}{base.url_path or '/'}" for base in bases(settings)]
    return f"; the base URLs are {', '.join(known)}" if known else ""


def _elsewhere(own: ServerSettings, path: str) -> str | None:
    """Returns where a path of health or metrics is served, with the setting; None if at the address of calls."""
    health = ("server.health.listen", own.health.listen if own.health.enabled else None)
    metrics = ("server.metrics.listen_address", own.metrics.listen_address if own.metrics.enabled else None)
    setting, addresses = {own.health.path: health, own.health.ready_path: health, own.metrics.path: metrics}.get(
        path, ("", None)
    )
    return f"{', '.join(map(str, addresses))} ({setting})" if addresses else None


def _endpoints(settings: Settings) -> Iterator[Endpoint]:
    for base in bases(settings):
        for dialect in base.dialects:
            for operation in dialect.operations:
                path = None if operation.many else operation.path
                yield Endpoint(base, dialect, operation.pattern, path)
        if (models := base.protocol.models) is not None:
            yield Endpoint(base, base.dialects[0], models, models, answers=False)
            yield Endpoint(base, base.dialects[0], f"{models}/.+", answers=False)


def _likeness(endpoint: Endpoint, path: str, tail: str, headers: Mapping[str, str]) -> tuple[bool, bool, bool, int]:
    base = endpoint.base
    return (
        endpoint.path is not None,
        _within(path, base),
        path.endswith(tuple(version + tail for version in base.protocol.versions)),
        base.protocol.likeness(headers),
    )


def _alike(known: list[Endpoint], path: str) -> Nearest | None:
    """Returns the endpoint with the most similar spelling, for typos; or None."""
    whole = {
        f"{prefix}{endpoint.path}": endpoint
        for endpoint in known
        if endpoint.path is not None
        for prefix in (endpoint.base.versioned, endpoint.base.protocol.version, "")
    }
    found = difflib.get_close_matches(path[:SHOWN], whole, 1, 0.8)
    if not found:
        return None
    endpoint = whole[found[0]]
    return Nearest(endpoint.base, endpoint.dialect, f"{endpoint.base.versioned}{endpoint.path}")

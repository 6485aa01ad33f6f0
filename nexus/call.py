"""One client request: who asked for what, and the switch that ends it.

A Call never changes; its progress is in ``relay/call_state``. Any thread may throw ``cancel``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from nexus.auth.identity import Identity
from nexus.cancel import Cancel
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import InvalidRequest
from nexus.headers import own
from nexus.headers.tags import Pairs, read_tags
from nexus.headers.tracing import TraceContext
from nexus.protocols.operation import GENERATE, Operation
from nexus.upstream.upload import Upload
from nexus.wire import Json

LONGEST_TAG = 128

_SAFE_TWICE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Source: RFC 9110, section 9.2.2."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What a coding agent reports about its work, and the ``given`` pairs of x-nexus-tags. Not authenticated: for logs,
    accounting and choices that are not security decisions.
    """

    session: str | None = None
    agent: str | None = None
    request_class: str | None = None
    given: Pairs = ()
    place: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], allowed: Collection[str] = (), place: str | None = None) -> Tags:
        """``allowed`` are the tag names in the settings, ``place`` is the one in the path. Raises InvalidRequest.

        Source: Claude Code's gateway protocol; what Codex 0.169 sends, where a thread is an agent's.
        """
        try:
            given = read_tags(headers, allowed)
        except ValueError as error:
            raise InvalidRequest(str(error), param=own.TAGS) from None
        return cls(
            session=_tag(headers, "x-claude-code-session-id") or _tag(headers, "session-id"),
            agent=_tag(headers, "x-claude-code-agent-id") or _tag(headers, "thread-id"),
            request_class=_tag(headers, "x-claude-code-request-class"),
            given=given,
            place=None if place is None else _fit(place),
        )


def _nothing(*_: object) -> None:
    """The default for ``free_body`` and ``hold``: does nothing."""


def _tag(headers: Mapping[str, str], name: str) -> str | None:
    """The header's value; None if it is missing or not safe to log."""
    value = headers.get(name)
    return None if value is None else _fit(value)


def _fit(value: str) -> str | None:
    return value if value.isascii() and value.isprintable() and 0 < len(value) <= LONGEST_TAG else None


@dataclass(frozen=True, slots=True)
class Call:
    """``headers`` have lower-case names; ``document`` is ``body`` decoded; ``model`` is the name that the client sent.
    What a client sent may hold its credentials, so it is never shown. ``format`` is the format that the dialect came
    in, "" if none.

    ``caller`` is the address that the call came from, ``identity`` who made it. ``method`` and ``path`` are those of a
    request for what a vendor stores; ``path`` is relative to the dialect's ``/v1``. ``received`` is in monotonic
    seconds. ``upload`` is a form in place of ``body``; ``document`` then holds its short fields. ``base`` is the URL at
    which the client reaches the protocol's version, for links in answers, "" if none are written. ``free_body`` is
    called when body and document are no longer held, ``hold`` with the size of a large answer that is held, and raises
    Overloaded if there is no room. ``request_id`` is the caller's own id for the call, ``context`` the trace that it
    belongs to, each None if missing or invalid.
    """

    id: str
    dialect: str
    caller: str
    identity: Identity
    headers: Mapping[str, str] = field(repr=False)
    query: str = field(repr=False)
    body: bytes = field(repr=False)
    document: Mapping[str, Json] = field(repr=False)
    model: str
    stream: bool
    operation: Operation = GENERATE
    method: str = "POST"
    path: str = ""
    format: str = ""
    tags: Tags = Tags()
    received: float = field(default_factory=time.monotonic)
    cancel: Cancel = field(default_factory=Cancel)
    upload: Upload | None = field(default=None, repr=False)
    base: str = ""
    free_body: Callable[[], None] = field(default=_nothing, repr=False)
    hold: Callable[[int], None] = field(default=_nothing, repr=False)
    request_id: str | None = None
    context: TraceContext | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether sending the call twice has no effect beyond the cost of a second answer."""
        return self.operation.relay not in ("files", "raw") or self.method in _SAFE_TWICE

    def forgotten(self) -> Call:
        """The same call with only the boolean fields of its document."""
        switches = {name: value for name, value in self.document.items() if isinstance(value, bool)}
        return replace(self, body=b"", upload=None, document=switches)

    def sent(self) -> Call:
        """The same call without its bytes, once no attempt will send them."""
        return replace(self, body=b"", upload=None)

    @property
    def form(self) -> str:
        """What the client speaks: a format, or a plain dialect."""
        return self.format or self.dialect

    @property
    def own_headers(self) -> dict[str, str]:
        """The client's headers, without those that carried its credential for the gateway."""
        return {name: self.headers[name] for name in self.headers.keys() - self.identity.credential_headers}

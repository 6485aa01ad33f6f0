"""The request of one attempt to a provider, and how to repeat it without what a vendor rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from nexus import __version__
from nexus.dataclasses import dataclass, field
from nexus.protocols.codec import Target
from nexus.protocols.operation import Action
from nexus.settings.model import ModelSettings
from nexus.upstream.request import UpstreamRequest
from nexus.upstream.upload import Upload

USER_AGENT: dict[str, str] = {"user-agent": f"nexus/{__version__}"}

Labels = tuple[tuple[str, str], ...]
"""Labels of a call in a cloud's own bill: names and values."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """The request of one attempt: a body in one of the provider's dialects, and what to forward of the client's.

    ``model`` is the request model, also in ``body`` if the dialect has it there. ``headers`` are the client's
    (lower-case names), or those that a translation wrote; the provider selects which to forward. ``client`` are always
    the client's, for header rules; ``credential_headers`` names those of them that are never forwarded. ``method`` and
    ``path`` are for stored responses and passthrough paths. ``upload`` is a form that replaces ``body``.
    ``correlation`` are headers that name the call and its trace. Fields that may hold credentials are left out of the
    repr.
    """

    dialect: str
    action: Action
    model: str
    settings: ModelSettings
    body: bytes = field(repr=False)
    stream: bool
    headers: Mapping[str, str] = field(repr=False)
    query: str = field(repr=False)
    key: SecretStr | None
    method: str = "POST"
    path: str = ""
    labels: Labels = ()
    correlation: dict[str, str] | None = None
    client: Mapping[str, str] = field(default_factory=dict, repr=False)
    credential_headers: frozenset[str] = frozenset()
    key_is_callers: bool = False
    upload: Upload | None = field(default=None, repr=False)

    @property
    def content_type(self) -> dict[str, str]:
        """The content-type header; {} without a body."""
        if self.upload is not None:
            return {"content-type": self.upload.content_type}
        return {"content-type": "application/json"} if self.body or self.method == "POST" else {}

    def sent_to(self, url: str, headers: dict[str, str]) -> UpstreamRequest:
        return UpstreamRequest(url, headers, self.body, self.method, upload=self.upload)


def unchanged(target: Target) -> Target:
    return target


def nothing() -> None:
    """Learns nothing, because a rejection says nothing about other calls."""


@dataclass(frozen=True, slots=True)
class Without:
    """``change`` removes from a target what its vendor rejects, which is called ``name``; ``learn`` is called once a
    call without it succeeded. ``passed``: requests that pass through can do without it too, because it came from
    an earlier answer; ``moved``: if it may have come from another place of the same model. ``dialect``: the one that
    the model understands instead of the rejected one.
    """

    name: str
    change: Callable[[Target], Target] = unchanged
    learn: Callable[[], None] = nothing
    passed: bool = False
    moved: bool = False
    dialect: str = ""

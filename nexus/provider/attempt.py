"""What a provider is asked: one try at an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pydantic import SecretStr

from nexus.dataclasses import dataclass
from nexus.protocols.operation import Action
from nexus.settings.model import ModelSettings
from nexus.upstream.upload import Upload

Labels = tuple[tuple[str, str], ...]
"""What a cloud's own bill is told of a call: names and values."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one provider: a body in one of its dialects, and what of the client's request travels with it.

    ``model`` is the request model, which stands in ``body`` too where the dialect has it there. ``headers`` are the
    client's (lower-case names), or those that a translation wrote; a provider picks what may travel. ``client`` are the
    client's in any case, for header rules; ``credential_headers`` names those of them that never travel. ``method`` and
    ``path`` are those of what is stored and of what passes; ``upload`` is a form in place of ``body``; ``correlation``
    are headers that name the call and its trace. What may hold credentials is never shown.
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
        """The header that says what is sent; {} where nothing is."""
        if self.upload is not None:
            return {"content-type": self.upload.content_type}
        return {"content-type": "application/json"} if self.body or self.method == "POST" else {}

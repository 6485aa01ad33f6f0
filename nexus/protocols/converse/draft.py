"""State of one request while it is written: call ids, names of documents, and dropped fields.

Source of the patterns: the bedrock-runtime service model.
"""

from __future__ import annotations

from nexus.conversation.parts import CacheHint
from nexus.late import pattern
from nexus.models.bedrock import ConverseModel
from nexus.protocols.checks import Drops
from nexus.protocols.tool_calls import ToolIds, mistral_ids
from nexus.wire import Json

_ID = pattern(r"[a-zA-Z0-9_-]{1,64}")
_WIDE_ID = pattern(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_IN_DOCUMENT_NAME = pattern(r"[^a-zA-Z0-9\s\-()\[\]]+")
_SPACES = pattern(r"\s+")


class Draft:
    def __init__(self, model: ConverseModel) -> None:
        self.model = model
        self.ids = mistral_ids() if model.mistral_ids else ToolIds(_WIDE_ID if model.wide_ids else _ID)
        self._documents: dict[str, int] = {}
        self.drops = Drops()

    def document_name(self, title: str | None) -> str:
        """A unique name by Bedrock's rules (no dots, single spaces, at most 200 characters)."""
        plain = _SPACES.sub(" ", _NOT_IN_DOCUMENT_NAME.sub(" ", title or "")).strip()[:180].strip() or "document"
        name, copy = plain, self._documents.get(plain, 1)
        while name in self._documents:
            copy += 1
            name = f"{plain} ({copy})"
        self._documents |= {plain: copy, name: 1}
        return name

    def cache_point(self, hint: CacheHint | None) -> list[Json]:
        """The block that ends a cached prefix, or nothing."""
        if hint is None:
            return []
        if not self.model.cache:
            self.drops.add("cache")
            return []
        if hint == "1h":
            self.drops.add("cache_ttl")
        return [{"cachePoint": {"type": "default"}}]

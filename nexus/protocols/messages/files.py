"""Anthropic's files and batches of messages.

Sources: Anthropic's API reference (message batches, files); anthropic.types.messages.MessageBatch and
anthropic.types.beta.BetaFileMetadata; the pages of lists of both versions of the files API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from nexus.protocols.checks import wrong
from nexus.protocols.edit import find, replace_member
from nexus.protocols.files import BatchRequest, FilesCodec, FilesKind, Page, Verb, item_starts, page_size, request_at
from nexus.wire import Json, sequence, text

_PAGE = "page_"
MOST_IDS = 100


class AnthropicFiles(FilesCodec):
    roots: ClassVar[Mapping[FilesKind, str]] = {"files": "/files", "batches": "/messages/batches"}
    verbs: ClassVar[Mapping[tuple[FilesKind, str, str], Verb]] = {
        **FilesCodec.verbs,
        ("batches", "DELETE", ""): "delete",
        ("batches", "GET", "results"): "content",
    }
    answer_path: ClassVar[tuple[str, ...]] = ("result", "message")
    request_path: ClassVar[tuple[str, ...]] = ()

    def page(self, kind: FilesKind, query: Mapping[str, Sequence[str]]) -> Page:
        ids = [*query.get("ids", ()), *query.get("ids[]", ())] if kind == "files" else []
        if len(ids) > MOST_IDS:
            raise wrong("ids", f"at most {MOST_IDS} ids")
        after = query.get("after_id", ("",))[0]
        if not after and (page := query.get("page", ("",))[0]):
            after = page.removeprefix(_PAGE)
        most = MOST_IDS if ids else page_size(query.get("limit", ("",))[0], 20, 1000)
        return Page(most, after, query.get("before_id", ("",))[0], ids=tuple(ids) if ids else None)

    def write_list(self, kind: FilesKind, objects: Sequence[Mapping[str, Json]], *, more: bool) -> dict[str, Json]:
        ids: list[str | None] = [text(one.get("id")) for one in objects] or [None]
        pages: dict[str, Json] = {"first_id": ids[0], "last_id": ids[-1], "has_more": more}
        if kind == "files":
            pages["next_page"] = f"{_PAGE}{ids[-1]}" if more else None
        return {"data": list(objects), **pages}

    def is_final(self, kind: FilesKind, document: Mapping[str, Json], now: float) -> bool:
        if kind == "batches":
            # Later its results have expired, which the vendor has to say.
            return document.get("processing_status") == "ended" and now < _moment(document.get("created_at")) + _LASTS
        return bool(document) and (not document.get("expires_at") or now < _moment(document.get("expires_at")))

    def edited(self, raw: bytes, document: Mapping[str, Json], base: str, name: str | None) -> bytes:
        url = f"{base}{self.roots['batches']}/{text(document.get('id'))}/results"
        return replace_member(raw, document, "results_url", url)

    def input_file(self, document: Mapping[str, Json]) -> str:
        return ""

    def requests(self, raw: bytes, document: Mapping[str, Json]) -> Iterator[BatchRequest]:
        asked = sequence(document.get("requests"))
        arrays = find(raw, ("requests",)) if asked else []
        if len(arrays) != 1:
            raise wrong("requests", "a non-empty array")
        for index, (start, one) in enumerate(zip(item_starts(raw, arrays[0][0]), asked, strict=True)):
            yield request_at(raw, start, ("params",), f"requests.{index}", one)

    def dialect_of(self, answer: Mapping[str, Json]) -> str:
        return "messages"


_LASTS = 29 * 86_400.0
"""Seconds for which a batch's results are available."""


def _moment(date: Json) -> float:
    """Unix seconds of a time in RFC 3339; 0 if it is invalid."""
    try:
        return datetime.fromisoformat(text(date)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


FILES_CODEC = AnthropicFiles()

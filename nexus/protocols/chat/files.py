"""OpenAI's files and batches. Source: OpenAI's API reference (files, batch); openai.types.FileObject and Batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from nexus.protocols.checks import wrong
from nexus.protocols.edit import replace_member
from nexus.protocols.files import FilesCodec, FilesKind, Page, page_size
from nexus.wire import Json, count, text

_OVER = frozenset({"failed", "completed", "expired", "cancelled"})
_MOST: Mapping[FilesKind, tuple[int, int]] = {"files": (10_000, 10_000), "batches": (20, 100)}
"""Default and maximum length of a list."""


class OpenAIFiles(FilesCodec):
    roots: ClassVar[Mapping[FilesKind, str]] = {"files": "/files", "batches": "/batches"}
    answer_path: ClassVar[tuple[str, ...]] = ("response", "body")
    request_path: ClassVar[tuple[str, ...]] = ("body",)

    def page(self, kind: FilesKind, query: Mapping[str, Sequence[str]]) -> Page:
        default, most = _MOST[kind]
        order = query.get("order", ("desc",))[0]
        if order not in ("asc", "desc"):
            raise wrong("order", '"asc" or "desc"')
        after, purpose = query.get("after", ("",))[0], query.get("purpose", ("",))[0]
        limit = page_size(query.get("limit", ("",))[0], default, most)
        return Page(limit, after, ascending=order == "asc", purpose=purpose)

    def write_list(self, kind: FilesKind, objects: Sequence[Mapping[str, Json]], *, more: bool) -> dict[str, Json]:
        ids: list[str | None] = [text(one.get("id")) for one in objects] or [None]
        return {"object": "list", "data": list(objects), "first_id": ids[0], "last_id": ids[-1], "has_more": more}

    def is_final(self, kind: FilesKind, document: Mapping[str, Json], now: float) -> bool:
        if kind == "batches":
            return document.get("status") in _OVER
        ends = count(document.get("expires_at"))
        return bool(document) and not 0 < ends <= now

    def children(self, document: Mapping[str, Json]) -> Iterator[str]:
        return (id for name in ("output_file_id", "error_file_id") if (id := text(document.get(name))))

    def edited(self, raw: bytes, document: Mapping[str, Json], base: str, name: str | None) -> bytes:
        return raw if name is None else replace_member(raw, document, "model", name)

    def input_file(self, document: Mapping[str, Json]) -> str:
        if id := text(document.get("input_file_id")):
            return id
        raise wrong("input_file_id", "the id of a file")

    def dialect_of(self, answer: Mapping[str, Json]) -> str:
        return {"response": "responses", "chat.completion": "chat"}.get(text(answer.get("object")), "")


FILES_CODEC = OpenAIFiles()

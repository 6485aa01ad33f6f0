"""Files and batches that a vendor stores for a caller: requests about them, and how the dialects differ.

Pure. An id is put into a path as the vendor gave it, so no other path can be made with one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from nexus.dataclasses import dataclass, field
from nexus.errors import InvalidRequest, MethodNotAllowed, NotFound
from nexus.late import pattern
from nexus.protocols.checks import check_case, wrong
from nexus.protocols.edit import find
from nexus.protocols.raw_json import CLOSE_ARRAY, OPEN_ARRAY, Span, next_item, past_space, value_end
from nexus.wire import Json, mapping

FilesKind = Literal["files", "batches"]

Verb = Literal["create", "list", "get", "content", "cancel", "delete"]
"""``content`` is the content of a file, or the results of a batch if they are not a file."""

_ID = pattern(r"[A-Za-z0-9._:-]{1,200}")
_WITHOUT_ID: Mapping[str, Verb] = {"POST": "create", "GET": "list"}
_DIGITS = pattern(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Page:
    """The requested part of a list: at most this many, next to ``after`` or ``before``, newest first unless
    ``ascending``; only ``ids`` if not None, of one ``purpose`` if not ""."""

    most: int
    after: str = ""
    before: str = ""
    ascending: bool = False
    purpose: str = ""
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class FilesRequest:
    """One operation. ``path`` is the vendor's, after its version; ``id`` is "" for all of a kind."""

    kind: FilesKind
    verb: Verb
    path: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request in a batch: ``where`` is its location for the client, plus the name of its model, and the positions
    of that name."""

    where: str
    model: str
    spans: Sequence[Span] = field(repr=False)
    body: Mapping[str, Json] = field(repr=False)


class FilesCodec(ABC):
    """A dialect's files and batches. ``roots`` are the paths of the kinds."""

    roots: ClassVar[Mapping[FilesKind, str]]
    verbs: ClassVar[Mapping[tuple[FilesKind, str, str], Verb]] = {
        ("files", "GET", ""): "get",
        ("files", "DELETE", ""): "delete",
        ("files", "GET", "content"): "content",
        ("batches", "GET", ""): "get",
        ("batches", "POST", "cancel"): "cancel",
    }
    """By kind, method and what follows an id: "" for the id alone."""

    answer_path: ClassVar[tuple[str, ...]]
    """Path of the answer in a line of results."""

    request_path: ClassVar[tuple[str, ...]]
    """Path of a request in a line of a batch's input; () if the input is not a file."""

    def read(self, method: str, path: str) -> FilesRequest:
        """Raises NotFound and MethodNotAllowed."""
        kind, root = next((kind, root) for kind, root in self.roots.items() if f"{path}/".startswith(f"{root}/"))
        id, _, suffix = path.removeprefix(root).removeprefix("/").partition("/")
        if not id:
            verb = _WITHOUT_ID.get(method)
        elif not _ID.fullmatch(id) or id in (".", ".."):
            raise NotFound(f"{id[:100]} does not exist or is not yours")
        else:
            verb = self.verbs.get((kind, method, suffix))
        if verb is None:
            raise MethodNotAllowed(f"{method} is not allowed here", allow=tuple(self._methods(kind, id, suffix)))
        return FilesRequest(kind, verb, path, id)

    def _methods(self, kind: FilesKind, id: str, suffix: str) -> Iterator[str]:
        if not id:
            yield from ("GET", "POST")
        yield from (method for of, method, after in self.verbs if id and (of, after) == (kind, suffix))

    @abstractmethod
    def page(self, kind: FilesKind, query: Mapping[str, Sequence[str]]) -> Page:
        """Raises InvalidRequest."""

    @abstractmethod
    def write_list(self, kind: FilesKind, objects: Sequence[Mapping[str, Json]], *, more: bool) -> dict[str, Json]: ...

    @abstractmethod
    def is_final(self, kind: FilesKind, document: Mapping[str, Json], now: float) -> bool:
        """Whether the object no longer changes; ``now`` in Unix seconds."""

    def children(self, document: Mapping[str, Json]) -> Iterator[str]:
        """The ids of files that a batch created."""
        return iter(())

    def edited(self, raw: bytes, document: Mapping[str, Json], base: str, name: str | None) -> bytes:
        """A vendor's object with links to this gateway, below ``base``, and the client's ``name`` of its model."""
        return raw

    @abstractmethod
    def input_file(self, document: Mapping[str, Json]) -> str:
        """The id of the file with a batch's requests, "" if they are in the body. Raises InvalidRequest."""

    def requests(self, raw: bytes, document: Mapping[str, Json]) -> Iterator[BatchRequest]:
        """The requests in a body. Raises InvalidRequest."""
        return iter(())

    def dialect_of(self, answer: Mapping[str, Json]) -> str:
        """Dialect of an answer in a line of results; "" for one of a passthrough endpoint."""
        raise NotImplementedError


def page_size(limit: str, default: int, most: int) -> int:
    """The ``limit`` of a list. Raises InvalidRequest."""
    if not limit:
        return default
    if not _DIGITS.fullmatch(limit) or not 1 <= int(limit) <= most:
        raise wrong("limit", f"a whole number from 1 to {most}")
    return int(limit)


def item_starts(raw: bytes, start: int) -> Iterator[int]:
    """Positions of the items of the array that opens at ``start``."""
    if raw[start] != OPEN_ARRAY:
        return
    position = past_space(raw, start + 1)
    while position < len(raw) and raw[position] != CLOSE_ARRAY:
        yield position
        position = next_item(raw, value_end(raw, position))


def request_at(raw: bytes, start: int, path: Sequence[str], where: str, document: Json) -> BatchRequest:
    """The request at ``path`` of the object that opens at ``start`` and decodes to ``document``. Raises
    InvalidRequest."""
    body = document
    for name in path:
        check_case(mapping(body), name, f"{where}.")
        body = mapping(body).get(name)
    check_case(mapping(body), "model", f"{where}.")
    model = body.get("model") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(model, str) or not model:
        field = ".".join((*path, "model"))
        raise InvalidRequest(f"{where}: {field}: expected the name of a model", param=f"{where}.{field}")
    spans = [span for span in find(raw, (*path, "model"), start) if raw[span[0] : span[0] + 1] == b'"']
    return BatchRequest(where, model, spans, body)

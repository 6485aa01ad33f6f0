"""The sources of an answer of Gemini: grounding and recitation metadata as citations of its text.

Google counts bytes of UTF-8, a Citation characters. A segment contains its own text, which decides its position,
because servers count from the start of a part in a complete answer and from the start of all text in a stream. Anything
that is not a web page, or has no position, is reported as dropped; so are the searches, and the suggestions that Google
wants displayed with the answer. Source: ai.google.dev/api/generate-content, GroundingMetadata, Segment and
CitationMetadata; the same of Vertex AI.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from nexus.conversation.events import Cited
from nexus.conversation.parts import Citation
from nexus.dataclasses import dataclass
from nexus.protocols.media import is_web
from nexus.wire import Json, count, mapping, sequence, text

_CHUNKS = "groundingMetadata.groundingChunks"
_SUPPORTS = "groundingMetadata.groundingSupports"
_READ = frozenset({"groundingChunks", "groundingSupports"})


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of text: the answer's part that it belongs to, the number of the vendor's part, and its first byte."""

    part: int
    wire: int
    start: int
    words: str


class Grounding:
    """Takes the text as it arrives; returns citations, and the names of anything else."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._spans: dict[int, tuple[int, int]] = {}
        self._whole = bytearray()
        self._emitted: set[Cited] = set()
        self._chunks: list[Mapping[str, Json]] = []
        self._used: set[int] = set()

    def add_text(self, part: int, wire: int, words: str) -> None:
        """Text of the answer's part ``part``, the vendor's part number ``wire``."""
        start = len(self._whole)
        self._pieces.append(_Piece(part, wire, start, words))
        self._whole += encoded(words)
        self._spans[part] = self._spans.get(part, (start, 0))[0], len(self._whole)

    def read(self, candidate: Mapping[str, Json]) -> Iterator[Cited | str]:
        if not (candidate.get("groundingMetadata") or candidate.get("citationMetadata")):
            return
        grounding = mapping(candidate.get("groundingMetadata"))
        yield from (f"groundingMetadata.{name}" for name, value in grounding.items() if value and name not in _READ)
        self._chunks = [mapping(chunk) for chunk in sequence(grounding.get("groundingChunks"))] or self._chunks
        for support in map(mapping, sequence(grounding.get("groundingSupports"))):
            yield from self._read_support(support)
        recited = mapping(candidate.get("citationMetadata"))
        for entry in map(mapping, [*sequence(recited.get("citations")), *sequence(recited.get("citationSources"))]):
            yield from self._read_recited(entry)

    def finish(self) -> Iterator[Cited | str]:
        """Sources of the whole answer, if no segment had any; the name of those that nothing refers to."""
        if not self._used and self._pieces:
            last = self._pieces[-1].part
            length = sum(len(piece.words) for piece in self._pieces if piece.part == last)
            for number, chunk in enumerate(self._chunks):
                if isinstance(source := _source(chunk), Citation):
                    self._used.add(number)
                    yield from self._emit(last, Citation(0, length, source.url, source.title, source.quote))
        if len(self._used) < len(self._chunks):
            yield _CHUNKS

    def _read_support(self, support: Mapping[str, Json]) -> Iterator[Cited | str]:
        segment = mapping(support.get("segment"))
        place = self._place(segment, text(segment.get("text")))
        if place is None:
            yield _SUPPORTS
            return
        for number in sequence(support.get("groundingChunkIndices")):
            known = isinstance(number, int) and 0 <= number < len(self._chunks)
            source = _source(self._chunks[number]) if known else _CHUNKS
            if isinstance(source, Citation):
                self._used.add(number)
                part, start, end = place
                yield from self._emit(part, Citation(start, end, source.url, source.title, source.quote))
            else:
                yield source

    def _read_recited(self, entry: Mapping[str, Json]) -> Iterator[Cited | str]:
        url, place = text(entry.get("uri")), self._place(entry, "")
        if not is_web(url) or place is None:
            yield "citationMetadata"
            return
        if entry.get("license"):
            yield "citationMetadata.license"
        part, start, end = place
        yield from self._emit(part, Citation(start, end, url, text(entry.get("title"))))

    def _emit(self, part: int, citation: Citation) -> Iterator[Cited]:
        """Emits a citation only once: in a stream the same metadata may be repeated."""
        if (cited := Cited(part, citation)) not in self._emitted:
            self._emitted.add(cited)
            yield cited

    def _place(self, segment: Mapping[str, Json], words: str) -> tuple[int, int, int] | None:
        """The answer's part in which a segment begins, and its character range there."""
        start, end = count(segment.get("startIndex")), count(segment.get("endIndex"))
        number = count(segment.get("partIndex"))
        bases = [piece.start for piece in self._pieces if piece.wire == number] if number else []
        for base in (*bases, 0):
            if not words or self._whole[base + start : base + end] == encoded(words):
                return self._within(base + start, base + end)
        at = self._whole.find(encoded(words))
        return None if at < 0 else self._within(at, at + len(encoded(words)))

    def _within(self, start: int, end: int) -> tuple[int, int, int] | None:
        if not start < end <= len(self._whole):
            return None
        part = self._pieces[bisect_right(self._pieces, start, key=lambda piece: piece.start) - 1].part
        first, last = self._spans[part]
        return part, _characters(self._whole[first:start]), _characters(self._whole[first : min(end, last)])


def _source(chunk: Mapping[str, Json]) -> Citation | str:
    """A chunk's page, as a citation without a position."""
    for kind in ("web", "retrievedContext", "maps"):
        page = mapping(chunk.get(kind))
        if is_web(text(page.get("uri"))):
            return Citation(0, 0, text(page.get("uri")), text(page.get("title")), text(page.get("text")))
    return _CHUNKS


def encoded(words: str) -> bytes:
    return words.encode("utf-8", "surrogatepass")


def _characters(raw: bytearray) -> int:
    """The number of complete characters; a segment that begins inside one begins with it."""
    return len(raw.decode("utf-8", "ignore"))

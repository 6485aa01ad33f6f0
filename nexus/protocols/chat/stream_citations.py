"""Citations of a streamed answer, told when the words that they are about have come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nexus.conversation.events import Cited
from nexus.conversation.parts import Citation
from nexus.protocols.chat.sources import Span, placed_citation, read_annotations
from nexus.wire import Json


class StreamCitations:
    """Told of every text and every delta; gives citations, and the names of what is none.

    ``sources`` are pages without places, which count where nothing else is cited.
    """

    def __init__(self) -> None:
        self.sources: list[Citation] = []
        self._spans: list[Span] = []
        self._waiting: list[Citation] = []
        self._cites = False

    @property
    def waits(self) -> bool:
        """Whether there are citations whose words are to come."""
        return bool(self._waiting)

    def hear(self, index: int, length: int, before: int) -> None:
        """More words of the text ``index``; ``before`` are the characters of the content that are in no text."""
        if not self._spans or self._spans[-1].part != index:
            start = self._spans[-1].end if self._spans else before
            self._spans.append(Span(index, start, start))
        self._spans[-1].end += length

    def read(self, delta: Mapping[str, Json]) -> Iterator[Cited | str]:
        for cited in read_annotations(delta):
            if isinstance(cited, str):
                yield cited
            else:
                self._waiting.append(cited)
        come = self._spans[-1].end if self._spans else 0
        while self._waiting and self._waiting[0].end <= come:
            yield self._place(self._waiting.pop(0))

    def last(self) -> Iterator[Cited | str]:
        """All that waits, at the end of the answer."""
        yield from map(self._place, self._waiting)
        if self.sources and not self._cites:
            if not self._spans:
                yield "citations"
                return
            last = self._spans[-1]
            yield from (Cited(last.part, replace(source, end=last.end - last.start)) for source in self.sources)

    def _place(self, citation: Citation) -> Cited | str:
        placed = placed_citation(citation, self._spans)
        if placed is None:
            return "annotations"
        self._cites = True
        return Cited(*placed)

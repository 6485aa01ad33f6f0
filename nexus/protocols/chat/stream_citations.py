"""Citations of a streamed answer, sent when the text that they refer to has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nexus.conversation.events import Cited
from nexus.conversation.parts import Citation
from nexus.protocols.chat.sources import Span, placed_citation, read_annotations
from nexus.wire import Json


class StreamCitations:
    """Takes every text and every delta; returns citations, and the names of anything else.

    ``sources`` are pages without positions, used if nothing else is cited.
    """

    def __init__(self) -> None:
        self.sources: list[Citation] = []
        self._spans: list[Span] = []
        self._waiting: list[Citation] = []
        self._cites = False

    @property
    def waits(self) -> bool:
        """Whether there are citations whose text has not arrived yet."""
        return bool(self._waiting)

    def hear(self, index: int, length: int, before: int) -> None:
        """More text of part ``index``; ``before`` is the number of characters of the content outside any text part."""
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
        """All pending citations, at the end of the answer."""
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

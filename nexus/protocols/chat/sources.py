"""Citations of web pages and images of answers, on the wire of this dialect.

A citation's offsets count the characters of the whole ``content``; in a part they are relative to the part.
``end_index`` is after the last character, as OpenAI's and OpenRouter's answers have it. An image is an entry of
``images``, with an index in streams, by which the SDK adds them up. Perplexity and xAI list pages without positions:
they become citations of the whole last text. Sources: openai.types.chat.ChatCompletionMessage; OpenRouter's guides on
web search and image generation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from nexus.conversation.events import Cited
from nexus.conversation.parts import Citation, Image, Inline, Link, Part, Text
from nexus.dataclasses import dataclass, replace
from nexus.errors import InvalidRequest
from nexus.protocols.chat.reasoning import vendor_extra, vendor_signature, write_extra
from nexus.protocols.media import data_url, read_url
from nexus.protocols.openai_request import write_citation
from nexus.wire import Json, count, mapping, sequence, text

_Wire = dict[str, Json]


@dataclass(slots=True)
class TextSpan:
    """A text part: its index among the answer's parts, and its position in the content as the vendor counts it."""

    part: int
    start: int
    end: int


def read_annotations(message: Mapping[str, Json]) -> Iterator[Citation | str]:
    """A vendor's citations, with its own offsets; for anything but a web page, its name."""
    for entry in map(mapping, sequence(message.get("annotations"))):
        kind = text(entry.get("type"))
        # Some servers leave out the inner object.
        cited = mapping(entry.get("url_citation")) or entry
        if url := text(cited.get("url")):
            start, end = count(cited.get("start_index")), count(cited.get("end_index"))
            yield Citation(start, end, url, text(cited.get("title")), text(cited.get("content")))
        else:
            yield f"annotations.{kind}" if kind else "annotations"


def read_sources(answer: Mapping[str, Json]) -> list[Citation]:
    """Pages that some servers list next to a complete answer or chunk, without positions in the text."""
    results = [mapping(entry) for entry in sequence(answer.get("search_results"))]
    titles = {text(result.get("url")): text(result.get("title")) for result in results}
    urls = [text(entry) or text(mapping(entry).get("url")) for entry in sequence(answer.get("citations"))]
    return [Citation(0, 0, url, titles.get(url, "")) for url in dict.fromkeys(urls or titles) if url]


def write_annotations(parts: Iterable[Part]) -> list[_Wire]:
    written: list[_Wire] = []
    before = 0
    for part in parts:
        if isinstance(part, Text):
            cited = (write_citation(citation, before) for citation in part.citations)
            written += ({"type": "url_citation", "url_citation": one} for one in cited)
            before += len(part.text)
    return written


def read_images(message: Mapping[str, Json]) -> Iterator[Image | str]:
    """A vendor's images in ``images`` and in parts of the content; for anything else, its name."""
    for entry in map(mapping, sequence(message.get("images"))):
        yield _read_image(entry, "images")
    for part in map(mapping, sequence(message.get("content"))):
        if part.get("type") == "image_url":
            yield _read_image(part, "content.image_url")


def _read_image(entry: Mapping[str, Json], name: str) -> Image | str:
    try:
        source = read_url(image_url(entry), param=name)
    except InvalidRequest:
        return name
    return Image(source, signature=vendor_signature(entry.get("extra_content"))) if is_image(source) else name


def image_url(entry: Mapping[str, Json]) -> str:
    image = entry.get("image_url")
    return text(image) or text(mapping(image).get("url"))


def is_image(source: Inline | Link) -> bool:
    return isinstance(source, Link) or source.media_type.startswith("image/")


def write_answer_image(image: Image, index: int) -> _Wire:
    return {"index": index, **_entry(image), **write_extra(image.signature)}


def vendor_image(image: Image) -> _Wire:
    """An image, for a vendor that accepts its images back."""
    return _entry(image) | vendor_extra(image.signature)


def _entry(image: Image) -> _Wire:
    url = image.source.url if isinstance(image.source, Link) else data_url(image.source)
    return {"type": "image_url", "image_url": {"url": url}}


class StreamCitations:
    """Yields the citations of a streamed answer once the text that they refer to has arrived.

    Takes every text and every delta; yields citations, and the names of anything else.

    ``sources`` are pages without positions, used if nothing else is cited.
    """

    def __init__(self) -> None:
        self.sources: list[Citation] = []
        self._spans: list[TextSpan] = []
        self._waiting: deque[Citation] = deque()
        self._cites = False

    @property
    def waits(self) -> bool:
        """Whether there are citations whose text has not arrived yet."""
        return bool(self._waiting)

    def add_text(self, index: int, length: int, before: int) -> None:
        """Adds text to part ``index``; ``before`` is the number of characters of the content outside any text part."""
        if not self._spans or self._spans[-1].part != index:
            start = self._spans[-1].end if self._spans else before
            self._spans.append(TextSpan(index, start, start))
        self._spans[-1].end += length

    def read(self, delta: Mapping[str, Json]) -> Iterator[Cited | str]:
        for cited in read_annotations(delta):
            if isinstance(cited, str):
                yield cited
            else:
                self._waiting.append(cited)
        arrived = self._spans[-1].end if self._spans else -1
        while self._waiting and self._waiting[0].end <= arrived:
            yield self._place(self._waiting.popleft())

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
        """The citation, relative to the part in which it begins; its name if there is no text."""
        if not self._spans:
            return "annotations"
        self._cites = True
        # The spans have no gaps.
        at = bisect_right(self._spans, citation.start, key=lambda span: span.end)
        found = self._spans[min(at, len(self._spans) - 1)]
        length = found.end - found.start
        start = min(max(citation.start - found.start, 0), length)
        end = min(max(citation.end - found.start, start), length)
        return Cited(found.part, replace(citation, start=start, end=end))

"""Annotations of an answer's text: its sources.

Only web pages have an equivalent; sources stored at OpenAI are reported; ``end_index`` is after the last character.
Source: openai.types.responses.ResponseOutputText.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nexus.conversation.parts import Citation
from nexus.wire import Json, count, mapping, sequence, text


def write_annotation(citation: Citation) -> dict[str, Json]:
    return {
        "type": "url_citation",
        "start_index": citation.start,
        "end_index": citation.end,
        "title": citation.title or citation.url,
        "url": citation.url,
    }


def read_annotation(entry: Mapping[str, Json]) -> Citation | str:
    """A vendor's annotation; for anything but a web page, its name."""
    if url := text(entry.get("url")):
        return Citation(count(entry.get("start_index")), count(entry.get("end_index")), url, text(entry.get("title")))
    kind = text(entry.get("type"))
    return f"annotations.{kind}" if kind else "annotations"


def read_annotations(part: Mapping[str, Json]) -> tuple[Citation, ...]:
    read = (read_annotation(mapping(entry)) for entry in sequence(part.get("annotations")))
    return tuple(one for one in read if isinstance(one, Citation))


def lost(items: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """The names of other annotations in a vendor's items."""
    for item in items:
        for part in map(mapping, sequence(item.get("content"))):
            read = (read_annotation(mapping(entry)) for entry in sequence(part.get("annotations")))
            yield from (one for one in read if isinstance(one, str))

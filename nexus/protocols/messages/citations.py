"""Citations of text blocks: a vendor's read as what they rest on, and any written for a client.

Pages of the web alone have a counterpart elsewhere; places in documents are named. A block is cited as a whole,
which is all that this dialect can say: a range inside it is lost. Of a foreign citation there is no ``encrypted_index``
that Claude could read: ours is a tag, by which the passthrough takes it out again.
Source: anthropic.types.TextCitation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.parts import Citation, Signature
from nexus.protocols.signatures import is_tagged, pack_signature
from nexus.protocols.urls import is_web
from nexus.wire import Json, mapping, text

_TAG = pack_signature(Signature("citation", ""), "")


def read_citation(wire: Mapping[str, Json], length: int) -> Citation | str:
    """Of a block of ``length`` characters; the name of what is no page of the web."""
    url = text(wire.get("url")) or text(wire.get("source"))
    if not is_web(url):
        kind = text(wire.get("type"))
        return f"citations.{kind}" if kind else "citations"
    return Citation(0, length, url, text(wire.get("title")), text(wire.get("cited_text")))


def write_citation(citation: Citation) -> dict[str, Json]:
    return {
        "type": "web_search_result_location",
        "cited_text": citation.quote,
        "encrypted_index": _TAG,
        "title": citation.title or None,
        "url": citation.url,
    }


def write_citations(citations: Iterable[Citation]) -> dict[str, Json]:
    """The member of a text block; {} where it rests on nothing."""
    written = [write_citation(citation) for citation in citations]
    return {"citations": written} if written else {}


def is_ours(citation: Json) -> bool:
    return is_tagged(mapping(citation).get("encrypted_index"))

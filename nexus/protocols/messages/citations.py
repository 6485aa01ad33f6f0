"""Citations of text blocks: reads those of a vendor, and writes those of any vendor for a client.

Only web pages have an equivalent elsewhere; positions in documents are reported as dropped. A block is cited as a
whole, which is all that this dialect supports: a range inside it is lost. For a citation of another vendor there is no
``encrypted_index`` that Claude could read: ours is a tag, by which passthrough removes it again. Source:
anthropic.types.TextCitation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.parts import Citation, Signature
from nexus.protocols.media import is_web
from nexus.protocols.signatures import is_tagged, pack_signature
from nexus.wire import Json, mapping, text

_TAG = pack_signature(Signature("citation", ""), "")


def read_citation(wire: Mapping[str, Json], length: int) -> Citation | str:
    """A citation of a block of ``length`` characters; for anything but a web page, its name."""
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
    """The member of a text block; {} without citations."""
    written = [write_citation(citation) for citation in citations]
    return {"citations": written} if written else {}


def is_ours(citation: Json) -> bool:
    return is_tagged(mapping(citation).get("encrypted_index"))

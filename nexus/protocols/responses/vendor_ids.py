"""Ids of objects stored at a vendor: in requests and in answers.

Everything that a vendor would look up by id: answers, conversations, and single items, including reasoning whose
content is not sent. Source: OpenAI's API reference and its guide to conversation state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from nexus.conversation.tap import SEALED
from nexus.late import pattern
from nexus.protocols.responses.earlier import is_reference
from nexus.wire import Json, mapping, sequence, text

_PATH = pattern(r"/(?:responses|conversations)/([^/]+)(?:/.*)?")
_ENDPOINTS = frozenset({"input_tokens", "compact"})


def vendor_ids(path: str, document: Mapping[str, Json]) -> list[tuple[str, str]]:
    """The ids in a request, each with its field; "" for the path."""
    return [(field, id) for field, id in _named(path, document) if id]


def _named(path: str, document: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    found = _PATH.fullmatch(path)
    if found is not None and found.group(1) not in _ENDPOINTS:
        yield "", found.group(1)
    yield "previous_response_id", text(document.get("previous_response_id"))
    conversation = document.get("conversation")
    yield "conversation", text(conversation) or text(mapping(conversation).get("id"))
    for field in ("input", "items"):
        for index, item in enumerate(map(mapping, sequence(document.get(field)))):
            if is_reference(item) or (item.get("type") == "reasoning" and not item.get("encrypted_content")):
                yield f"{field}[{index}]", text(item.get("id"))


def sealed_ids(document: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Ids of the encrypted items of a request, which only the account that created them can read, each with its
    field."""
    items = enumerate(map(mapping, sequence(document.get("input"))))
    found = ((f"input[{index}]", text(item.get("encrypted_content"))) for index, item in items)
    return [(field, sealed_id(content)) for field, content in found if content]


def sealed_id(content: str) -> str:
    """The id for encrypted content, because clients send it back without its id."""
    return SEALED + hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def given_ids(document: Mapping[str, Json]) -> Iterator[str]:
    holders = [document, mapping(document.get("response")), mapping(document.get("item"))]
    for name in ("output", "data"):
        holders += [mapping(item) for holder in holders[:2] for item in sequence(holder.get(name))]
    yield from (id for holder in holders if (id := text(holder.get("id"))))
    if document.get("type") != "response.output_item.added":
        # Before an item is done, its encrypted content is not final.
        yield from (sealed_id(content) for holder in holders if (content := text(holder.get("encrypted_content"))))

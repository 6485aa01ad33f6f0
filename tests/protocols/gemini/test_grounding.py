"""Google's byte offsets of cited text are converted to character offsets."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from nexus.conversation.events import Cited, Event, PartEnd
from nexus.conversation.fold import fold
from nexus.conversation.parts import Citation, Request, Text
from nexus.protocols.codec import VendorRequest
from nexus.protocols.gemini.read_stream import StreamReader
from nexus.relay.translation import Translation
from tests.laws.kit import new_attempt
from tests.protocols.kit import losses, origin

PAGES = [{"web": {"uri": f"https://e.org/{name}", "title": name}} for name in "ab"]
AT = {"a": "https://e.org/a", "b": "https://e.org/b"}


def support(words: str, start: int, end: int, *chunks: int, part: int = 0) -> dict[str, Any]:
    segment = {"startIndex": start, "endIndex": end, "text": words, "partIndex": part}
    return {"segment": segment, "groundingChunkIndices": list(chunks)}


def answer(*pieces: tuple[list[Any], Mapping[str, Any]]) -> list[Event]:
    """A stream of one candidate, each piece with its parts and its metadata."""
    reader, events = StreamReader(origin()), []
    for at, (parts, more) in enumerate(pieces):
        last = {"finishReason": "STOP"} if at + 1 == len(pieces) else {}
        candidate = {"content": {"role": "model", "parts": parts}, **more, **last}
        events += reader.feed(None, json.dumps({"candidates": [candidate]}))
    return events + reader.finish()


def texts(events: list[Event]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every text with the words in it that are cited, and their sources."""
    return [
        (part.text, [(part.text[one.start : one.end], one.url) for one in part.citations])
        for part in fold(events).parts
        if isinstance(part, Text)
    ]


def grounded(*supports: dict[str, Any], chunks: list[Any] = PAGES) -> dict[str, Any]:
    return {"groundingMetadata": {"groundingChunks": chunks, "groundingSupports": list(supports)}}


WORDS = "Ü 🎈 b"
"""5 characters in 9 bytes."""

CASES: dict[str, tuple[list[tuple[list[Any], Mapping[str, Any]]], list[tuple[str, list[tuple[str, str]]]]]] = {
    "multi-byte characters before the segment": (
        [([{"text": WORDS}], grounded(support("b", 8, 9, 0)))],
        [(WORDS, [("b", AT["a"])])],
    ),
    "multi-byte characters in the segment": (
        [([{"text": WORDS}], grounded(support("Ü 🎈", 0, 7, 1)))],
        [(WORDS, [("Ü 🎈", AT["b"])])],
    ),
    "a missing start": (
        [([{"text": WORDS}], grounded({"segment": {"endIndex": 2, "text": "Ü"}, "groundingChunkIndices": [0]}))],
        [(WORDS, [("Ü", AT["a"])])],
    ),
    "offsets from the start of its own part": (
        [([{"text": "thinks", "thought": True}, {"text": WORDS}], grounded(support("b", 8, 9, 0, part=1)))],
        [(WORDS, [("b", AT["a"])])],
    ),
    "offsets over joined parts": (
        [([{"text": "Ü"}, {"text": " b"}], grounded(support("Ü b", 0, 4, 0)))],
        [("Ü b", [("Ü b", AT["a"])])],
    ),
    "offsets in characters by mistake": (
        [([{"text": WORDS}], grounded(support("b", 5, 6, 0)))],
        [(WORDS, [("b", AT["a"])])],
    ),
    "without its text": (
        [([{"text": WORDS}], grounded({"segment": {"startIndex": 8, "endIndex": 9}, "groundingChunkIndices": [0]}))],
        [(WORDS, [("b", AT["a"])])],
    ),
    "across pieces of a stream": (
        [([{"text": "Ü 🎈"}], {}), ([{"text": " b"}], {}), ([{"text": ""}], grounded(support("🎈 b", 3, 9, 0)))],
        [(WORDS, [("🎈 b", AT["a"])])],
    ),
    "repeated": (
        [
            ([{"text": WORDS}], grounded(support("b", 8, 9, 0))),
            ([{"text": " c"}], grounded(support("b", 8, 9, 0), support("c", 10, 11, 1))),
        ],
        [(f"{WORDS} c", [("b", AT["a"]), ("c", AT["b"])])],
    ),
    "sources alone cite the whole text": (
        [([{"text": WORDS}], {"groundingMetadata": {"groundingChunks": PAGES}})],
        [(WORDS, [(WORDS, AT["a"]), (WORDS, AT["b"])])],
    ),
    "before a call, which ends the text": (
        [([{"text": WORDS}, {"functionCall": {"name": "f"}}], grounded(support("b", 8, 9, 0)))],
        [(WORDS, [("b", AT["a"])])],
    ),
    "recitation": (
        [([{"text": WORDS}], {"citationMetadata": {"citationSources": [{"endIndex": 2, "uri": AT["a"]}]}})],
        [(WORDS, [("Ü", AT["a"])])],
    ),
    "maps, and documents on the web": (
        [
            (
                [{"text": "b"}],
                grounded(
                    support("b", 0, 1, 0, 1),
                    chunks=[{"maps": {"uri": AT["a"]}}, {"retrievedContext": {"uri": AT["b"], "text": "it says"}}],
                ),
            )
        ],
        [("b", [("b", AT["a"]), ("b", AT["b"])])],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_segments_become_citations(case: str) -> None:
    pieces, expected = CASES[case]
    assert texts(answer(*pieces)) == expected


LOST: dict[str, tuple[Mapping[str, Any], set[str]]] = {
    "text that does not occur": (grounded(support("x", 0, 1, 0, 1)), {"groundingMetadata.groundingSupports"}),
    "offsets after the end": (
        {"citationMetadata": {"citations": [{"startIndex": 8, "endIndex": 99, "uri": AT["a"]}]}},
        {"citationMetadata"},
    ),
    "recitation without a page": ({"citationMetadata": {"citations": [{"endIndex": 2}]}}, {"citationMetadata"}),
    "the licence of a recitation": (
        {"citationMetadata": {"citations": [{"endIndex": 2, "uri": AT["a"], "license": "mit"}]}},
        {"citationMetadata.license"},
    ),
    "a document in a cloud": (
        grounded(support("b", 8, 9, 0), chunks=[{"retrievedContext": {"uri": "gs://b/a.pdf"}}]),
        {"groundingMetadata.groundingChunks"},
    ),
    "a missing source": (grounded(support("b", 8, 9, 7, 0, 1)), {"groundingMetadata.groundingChunks"}),
    "searches and Google's search suggestions": (
        {"groundingMetadata": {"webSearchQueries": ["q"], "searchEntryPoint": {"renderedContent": "<div/>"}}},
        {"groundingMetadata.webSearchQueries", "groundingMetadata.searchEntryPoint"},
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_lost_citations_are_reported(case: str) -> None:
    more, expected = LOST[case]
    assert set(losses(answer(([{"text": WORDS}], more)))) == expected


def test_citations_of_a_signed_text_come_before_its_end() -> None:
    """A client's stream cannot hold them after it."""
    last = [{"text": "", "thoughtSignature": "c2ln"}]
    events = answer(([{"text": "b"}], {}), (last, grounded(support("b", 0, 1, 0, 1))))
    first, *rest = [event for event in events if isinstance(event, Cited | PartEnd)]
    assert first == Cited(0, Citation(0, 1, AT["a"], "a"))
    assert [type(event) for event in rest] == [Cited, PartEnd]


@pytest.mark.parametrize("client", ["chat", "messages", "responses", "converse"])
def test_clients_get_the_sources_of_a_text_before_a_call_in_a_whole_answer(client: str) -> None:
    """Gemini names them after the call, when the text has ended."""
    parts = [{"text": "b"}, {"functionCall": {"name": "f", "args": {}}}]
    candidate = {"content": {"parts": parts}, "finishReason": "STOP", **grounded(support("b", 0, 1, 0, 1))}
    attempt = new_attempt(client, stream=False)
    relay = Translation(attempt, Request(()), "gemini", "m", VendorRequest({}))
    written = relay.body(json.dumps({"candidates": [candidate]}).encode())
    assert (AT["a"].encode() in written, AT["b"].encode() in written, attempt.dropped) == (True, True, [])

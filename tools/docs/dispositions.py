"""``python -m tools.docs.dispositions``: what becomes of every field of a request, as reStructuredText.

Composed of the codecs' own tables and nothing else, so that docs/translation.rst can neither lag behind nor
promise more. Where a vendor speaks the client's own dialect nothing is translated: the bytes pass.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from nexus.protocols import loader
from nexus.protocols.dispositions import Disposition, DispositionKind
from nexus.protocols.extra_fields import EXTRA_FIELDS

CLIENTS: Mapping[str, str] = MappingProxyType(
    {
        "chat": "OpenAI Chat Completions",
        "responses": "OpenAI Responses",
        "messages": "Anthropic Messages",
        "converse": "Bedrock Converse",
        "gemini": "Gemini API",
    }
)
"""The protocol's name of each client dialect."""

VENDORS: Mapping[str, str] = MappingProxyType(
    {"chat": "OpenAI", "messages": "Anthropic", "gemini": "Gemini", "converse": "Bedrock Converse"}
)
"""The vendor's name of each dialect that is translated to."""

COLUMNS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "chat": VENDORS,
        "responses": {"responses": "OpenAI", **VENDORS, "chat": "Compatible"},
        "messages": VENDORS,
        "converse": VENDORS,
        "gemini": VENDORS,
    }
)
"""What a client may meet, by its dialect: OpenAI itself has both protocols, most compatible servers only the older."""

READS: Mapping[str, Mapping[str, Disposition]] = {client: loader.client(client).fields for client in CLIENTS}
WRITES: Mapping[str, Mapping[str, Disposition]] = {vendor: loader.vendor(vendor).fields for vendor in VENDORS}
KINDS: tuple[DispositionKind, ...] = get_args(DispositionKind)

PASSED = "the client's own bytes, untouched"


@dataclass(frozen=True, slots=True)
class Row:
    """A client's field; ``becomes`` is its neutral name, "" where it is used up or ends at the reader."""

    field: str
    becomes: str
    note: str
    cells: Mapping[str, Disposition]


def table() -> Mapping[str, tuple[Row, ...]]:
    """By client dialect, a row for each field in the order of its name."""
    return {
        client: tuple(_row(client, name, disposition) for name, disposition in sorted(READS[client].items()))
        for client in CLIENTS
    }


def counts(rows: Iterable[Row]) -> Counter[DispositionKind]:
    return Counter(cell.kind for row in rows for cell in row.cells.values())


def _row(client: str, name: str, read: Disposition) -> Row:
    cells = {vendor: _cell(client, vendor, name, read) for vendor in COLUMNS[client]}
    return Row(name, read.field or "", read.note, cells)


def _cell(client: str, vendor: str, name: str, read: Disposition) -> Disposition:
    """Two steps in a row: what the reader lets go is gone, and what either of them converts is converted."""
    if client == vendor:
        return Disposition("converted", "the route's own name of it") if name == "model" else _PASSED
    if not read.field:
        return Disposition(read.kind, read.note)
    written = _BREAKPOINTS[vendor] if name == "cache_control" else WRITES[vendor][read.field]
    if written.kind == "carried" and read.kind == "converted":
        return Disposition("converted", written.note)
    return Disposition(written.kind, written.note)


_PASSED = Disposition("carried", PASSED)

_BREAKPOINTS: Mapping[str, Disposition] = {
    "chat": Disposition("converted", "prompt_cache_breakpoint or cache_control where the server has one, else dropped"),
    "gemini": Disposition("dropped", "Gemini finds what it can cache by itself"),
    "converse": Disposition("converted", "cachePoint where the model has it, else dropped"),
}
"""Cache hints are no field of the neutral request: they ride on its parts."""


def document() -> str:
    """The whole of docs/translation.rst."""
    return "\n".join([*_opening(), *_all_counts(), *_client_sections(), *_vendor_sections(), *_extra_fields()])


def _heading(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def _opening() -> Iterator[str]:
    yield from _heading("Translation, field by field", "=")
    yield from (
        "Printed by ``python -m tools.docs.dispositions`` from the tables beside the codecs; edit those instead.",
        "",
        "A client of any of these protocols can ask any model. What becomes of each field that it may send:",
        "",
        "carried",
        "    arrives with the same meaning and value, spelled as the vendor spells it.",
        "converted",
        "    arrives with the same meaning in the vendor's own form; the notes say how.",
        "dropped",
        "    has no counterpart there and only tunes the answer: left out, and named in the reply's header",
        "    ``x-nexus-dropped`` as the client spelled it.",
        "refused",
        "    is content, or changes what the answer is, and cannot be said there: the reply is a 400 that names it.",
        "",
        "A cell says what becomes of the field's usual value at a model that has the feature. Where a model has less",
        "than its vendor's best, the notes say so, and the rule stays the same: named in ``x-nexus-dropped``, or",
        "refused by name; never silent. A vendor that speaks the client's own protocol gets the client's bytes with",
        "nothing but ``model`` changed, so every field passes, known here or not. The same holds for Claude on Vertex",
        "AI and on Bedrock's InvokeModel, but for the few fields that these hosts refuse. OpenAI's own API speaks both",
        "of its protocols; a compatible server that has chat completions only gets those, which is what the column",
        "Compatible is about.",
        "",
    )


def _all_counts() -> Iterator[str]:
    yield from _heading("In numbers", "-")
    yield "Cells by what becomes of them, over all vendors:"
    yield ""
    rows: list[Sequence[str]] = []
    for client, own in table().items():
        found = counts(own)
        rows.append((CLIENTS[client], str(len(own)), *(str(found[kind]) for kind in KINDS)))
    yield from aligned(("Client", "Fields", *(kind.capitalize() for kind in KINDS)), rows)


def _client_sections() -> Iterator[str]:
    for client, rows in table().items():
        yield from _heading(f"Clients of the {CLIENTS[client]} protocol", "-")
        head = ("Field", "Neutral field", *COLUMNS[client].values())
        body = [(_code(row.field), _code(row.becomes), *(cell.kind for cell in row.cells.values())) for row in rows]
        yield from aligned(head, body)
        yield from _notes({row.field: row.note for row in rows if row.note})


def _vendor_sections() -> Iterator[str]:
    for vendor, name in VENDORS.items():
        yield from _heading(f"On the way to {name}", "-")
        yield "By the neutral field, for requests that had to be translated."
        yield ""
        yield from _notes({field: _describe(written) for field, written in WRITES[vendor].items()})


def _extra_fields() -> Iterator[str]:
    yield from _heading("What translated answers have beyond the published types", "-")
    yield from (
        "Every name and every value in an answer, an event or an error is one that OpenAI's, Anthropic's, AWS's and",
        "Google's own types know, but for these fields; a client that does not know them loses nothing that it could",
        "have had. An answer in the vendor's own protocol passes as it is. The word ``request_too_large`` in errors of",
        "status 413 is on Anthropic's page of errors though not in the types, and Claude Code looks for it; Codex",
        "reads ``context_length_exceeded`` and ``insufficient_quota`` in failed responses, as OpenAI sends them.",
        "",
    )
    for client, name in CLIENTS.items():
        if client not in EXTRA_FIELDS:
            continue
        yield f"{name}:"
        yield ""
        yield from _notes({field.name: field.note for field in EXTRA_FIELDS[client]})


def _describe(disposition: Disposition) -> str:
    return f"{disposition.kind}: {disposition.note}" if disposition.note else disposition.kind


def _notes(notes: Mapping[str, str]) -> Iterator[str]:
    for field, note in notes.items():
        yield _code(field)
        yield f"    {_escaped(note)}"
    yield ""


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A simple table; its first column is never empty."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    written = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    yield from (rule, written[0], rule, *written[1:], rule, "")


def _code(name: str) -> str:
    return f"``{name}``" if name else ""


def _escaped(note: str) -> str:
    """A note may quote names in single backticks; to reStructuredText these are code, and * and _ say nothing."""
    outside, inside = note.split("`")[::2], note.split("`")[1::2]
    plain = [piece.replace("\\", "\\\\").replace("*", "\\*").replace("_", "\\_") for piece in outside]
    quoted = [_code(piece) for piece in inside] + [""]
    return "".join(a + b for a, b in zip(plain, quoted, strict=True))


if __name__ == "__main__":
    sys.stdout.write(document())

"""What clients ask for: an operation is a row of its dialect's table, and whatever it does otherwise stands in the row.

Nobody compares names of operations; whoever treats one otherwise asks the row for the reason.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, Self

from nexus.dataclasses import dataclass

Action = Literal[
    "generate",
    "count_tokens",
    "compact",
    "stored",
    "embeddings",
    "completions",
    "moderations",
    "images",
    "speech",
    "transcription",
    "translation",
    "rerank",
    "files",
    "batches",
    "raw",
]
"""An answer, a number, a shorter conversation, something that a vendor keeps, or one of the endpoints that pass: for
logs and vendors' own paths; what a vendor holds for a caller; and any other path."""

Relay = Literal["answer", "count", "stored", "passed", "held", "raw"]
"""How a reply is made: of a vendor's answer, of its count or an estimate, of what is kept there or here, of bytes that
pass, of files and batches that a vendor holds, or of bytes that nobody reads."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``path`` follows the protocol's version; where it is ``many``, it is a pattern without groups, and the call keeps
    its own.

    ``names_model``: the body says which model; else the provider is the one that keeps such things. ``streams`` is
    where a client asks for a stream: "body" in the member ``stream``, "format" in ``stream_format``. ``spends`` says
    that it uses tokens, ``compacts`` that a shorter conversation is asked for: a summary, by vendors that have no such
    operation.

    ``endpoint`` is what a provider must have for it, "" where all have it; ``forms`` says that it may be asked for with
    a multipart form, ``writes`` that tokens are made for its answer. Where it ``promises``, a stream that was asked for
    is begun before the vendor answers; other vendors may answer with something else. Unless it is ``counted`` nobody
    can tell what it costs.
    """

    action: Action
    relay: Relay
    path: str = ""
    many: bool = False
    methods: tuple[str, ...] = ("POST",)
    names_model: bool = True
    streams: Literal["body", "format", "query", "never"] = "never"
    spends: bool = True
    compacts: bool = False
    endpoint: str = ""
    forms: bool = False
    writes: bool = True
    promises: bool = True
    counted: bool = True

    def at(self, path: str) -> Self:
        return replace(self, path=path)

    def matching(self, pattern: str) -> Self:
        return replace(self, path=pattern, many=True)

    @property
    def pattern(self) -> str:
        return self.path if self.many else re.escape(self.path)


GENERATE = Operation("generate", "answer", streams="body")
COUNT_TOKENS = Operation("count_tokens", "count", spends=False)
COMPACT = Operation("compact", "answer", compacts=True)
STORED = Operation(
    "stored",
    "stored",
    many=True,
    methods=("GET", "POST", "DELETE"),
    names_model=False,
    streams="query",
    spends=False,
)


def _passed(
    endpoint: str,
    action: Action,
    streams: Literal["body", "format", "never"] = "never",
    *,
    forms: bool = False,
    writes: bool = True,
    promises: bool = False,
) -> Operation:
    return Operation(
        action,
        "passed",
        f"/{endpoint}",
        streams=streams,
        endpoint=endpoint,
        forms=forms,
        writes=writes,
        promises=promises,
    )


PASSED = (
    _passed("embeddings", "embeddings", writes=False),
    _passed("completions", "completions", "body", promises=True),
    _passed("moderations", "moderations", writes=False),
    _passed("images/generations", "images", "body"),
    _passed("images/edits", "images", "body", forms=True),
    _passed("images/variations", "images", forms=True),
    _passed("audio/speech", "speech", "format"),
    _passed("audio/transcriptions", "transcription", "body", forms=True),
    _passed("audio/translations", "translation", forms=True),
    _passed("rerank", "rerank", writes=False),
)
"""OpenAI's other endpoints, and the one for ranking that compatible servers have. Source: OpenAI's API reference."""

EMBED = _passed("embeddings", "embeddings", writes=False)
"""The same of a dialect that has it at paths of its own."""

ENDPOINTS = tuple(operation.endpoint for operation in PASSED)
"""What a provider may have beside generation and counting, by its path below ``/v1/``."""


def _held(endpoint: Literal["files", "batches"], pattern: str, *, forms: bool = False) -> Operation:
    return Operation(
        endpoint,
        "held",
        pattern,
        many=True,
        methods=("GET", "POST", "DELETE"),
        names_model=False,
        spends=False,
        endpoint=endpoint,
        forms=forms,
        promises=False,
        counted=False,
    )


FILES = _held("files", r"/files(?:/[^/]+(?:/content)?)?", forms=True)
BATCHES = _held("batches", r"/batches(?:/[^/]+(?:/cancel)?)?")
MESSAGE_BATCHES = _held("batches", r"/messages/batches(?:/[^/]+(?:/cancel|/results)?)?")

HELD = ("files", "batches")
"""What a provider may have where its settings say so: it holds them for the callers, who are told apart here."""

RAW = Operation(
    "raw",
    "raw",
    many=True,
    methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
    names_model=False,
    promises=False,
    counted=False,
)
"""Any other path of a vendor."""

"""What clients can request: an operation is a row in its dialect's table, and all its special behaviour is in the row.

Code never compares names of operations, but reads the relevant property of the row.
"""

from __future__ import annotations

import re
from re import Pattern
from typing import Literal, Self

from nexus.dataclasses import dataclass, replace
from nexus.errors import NotFound

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
"""An answer, a token count, a compacted conversation, an object stored at a vendor, or one of the passthrough
endpoints: for logs and vendors' own paths; files and batches at a vendor; and any other path."""

Relay = Literal["answer", "count", "stored", "passed", "files", "raw"]
"""How a reply is produced: from a vendor's answer, from its count or an estimate, from objects stored there or here,
from forwarded bytes, from files and batches at a vendor, or from bytes that are not read."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``path`` follows the protocol's version; if it is ``many``, it is a pattern without groups, and the call keeps
    its own path.

    ``names_model``: the body names the model; otherwise the provider is the one that stores such objects. ``streams``
    is where a client requests a stream: "body" in the member ``stream``, "format" in ``stream_format``. ``spends`` says
    that it uses tokens, ``compacts`` that a compacted conversation is requested: a summary, from vendors without such
    an operation.

    ``endpoint`` is what a provider must have for it, "" if all have it; ``forms`` says that multipart forms are
    accepted, ``writes`` that its answer has output tokens. If it ``promises``, a requested stream is begun before the
    vendor answers; other vendors may answer with something else. Unless it is ``counted``, its cost is unknown.
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


def match_path(pattern: Pattern[str], path: str) -> re.Match[str]:
    """The parts of a path that an operation has matched. Raises NotFound if unescaping it changed its parts."""
    found = pattern.fullmatch(path)
    if found is None:
        raise NotFound("the path has an escaped slash or line break, which belongs to no model or project")
    return found


GENERATE = Operation("generate", "answer", streams="body")
COUNT_TOKENS = Operation("count_tokens", "count", spends=False)
COMPACT = Operation("compact", "answer", compacts=True)
_OBJECTS = Operation("stored", "stored", many=True, methods=("GET", "POST", "DELETE"), names_model=False, spends=False)
STORED = replace(_OBJECTS, streams="query")


def _passed(endpoint: str, row: Operation) -> Operation:
    return replace(row, path=f"/{endpoint}", endpoint=endpoint)


_READ = Operation("embeddings", "passed", promises=False, writes=False)
_MADE = Operation("images", "passed", promises=False)

PASSED = (
    _passed("embeddings", _READ),
    _passed("completions", Operation("completions", "passed", streams="body")),
    _passed("moderations", replace(_READ, action="moderations")),
    _passed("images/generations", replace(_MADE, streams="body")),
    _passed("images/edits", replace(_MADE, streams="body", forms=True)),
    _passed("images/variations", replace(_MADE, forms=True)),
    _passed("audio/speech", replace(_MADE, action="speech", streams="format")),
    _passed("audio/transcriptions", replace(_MADE, action="transcription", streams="body", forms=True)),
    _passed("audio/translations", replace(_MADE, action="translation", forms=True)),
    _passed("rerank", replace(_READ, action="rerank")),
)
"""OpenAI's other endpoints, and the reranking endpoint of compatible servers. Source: OpenAI's API reference."""

EMBED = PASSED[0]
"""For a dialect that has it at other paths."""

ENDPOINTS = tuple(operation.endpoint for operation in PASSED)
"""Endpoints of providers besides generation and counting, by path below ``/v1/``."""


_OWNED = replace(_OBJECTS, relay="files", promises=False, counted=False)
FILES = replace(_OWNED, action="files", path=r"/files(?:/[^/]+(?:/content)?)?", endpoint="files", forms=True)
BATCHES = replace(_OWNED, action="batches", path=r"/batches(?:/[^/]+(?:/cancel)?)?", endpoint="batches")
MESSAGE_BATCHES = replace(BATCHES, path=r"/messages/batches(?:/[^/]+(?:/cancel|/results)?)?")

FILES_AND_BATCHES = ("files", "batches")
"""What a provider may have if its settings say so: it stores them for callers, and only Nexus knows which
caller owns what."""

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

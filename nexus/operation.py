"""What clients ask for: an operation is a row of its dialect's table, and whatever it does otherwise stands in the row.

Law: nobody compares names of operations; whoever treats one otherwise asks the row for the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, Self

Action = Literal["generate", "count_tokens", "compact", "stored"]
"""An answer, a number, a shorter conversation, or something that a vendor keeps: for logs and vendors' own paths."""

Relay = Literal["answer", "count", "stored"]
"""How a reply is made: of a vendor's answer, of its count or an estimate, or of what is kept there or here."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``path`` follows the protocol's version; where it is ``many``, it is a pattern without groups, and the call keeps
    its own.

    ``names_model``: the body says which model; else the provider is the one that keeps such things. ``streams`` is
    where a client asks for a stream. ``spends`` says that it uses tokens, ``compacts`` that a shorter conversation is
    asked for: a summary, by vendors that have no such operation.
    """

    action: Action
    relay: Relay
    path: str = ""
    many: bool = False
    methods: tuple[str, ...] = ("POST",)
    names_model: bool = True
    streams: Literal["body", "query", "never"] = "never"
    spends: bool = True
    compacts: bool = False

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

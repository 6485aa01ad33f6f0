"""How full a limit or a budget is: what the page draws as a bar."""

from __future__ import annotations

from typing import Literal

from nexus.dataclasses import dataclass

Unit = Literal["usd", "requests", "input_tokens", "output_tokens"]

WARN_AT = 0.8


@dataclass(frozen=True, slots=True)
class Gauge:
    """``name`` says which limit, ``whose`` who is counted, "" for whoever looks. ``used`` of ``limit`` are in ``unit``;
    ``window`` is in words, ``reset`` the Unix seconds at which nothing is used any more, None where nothing is.
    ``warn_at`` is a share of the limit.
    """

    name: str
    whose: str
    unit: Unit
    used: float
    limit: float
    window: str
    reset: float | None
    warn_at: float = WARN_AT

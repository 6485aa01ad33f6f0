"""Vendors' rules for the names of tools and their properties, and their limits on schemas: typed values.

Each vendor's rules are in the module of its models (claude.py, gpt.py, gemini.py, bedrock.py).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from nexus import wire
from nexus.dataclasses import dataclass

_DIGITS = 8
"""Hexadecimal digits of a short name's hash: two names collide with a probability of one in four billion."""


@dataclass(frozen=True, slots=True)
class NameRule:
    """``letters`` and ``first`` are the insides of character classes; ``first`` is empty if a name may begin with any
    letter.
    """

    letters: str
    longest: int
    first: str = ""

    def fits(self, name: str) -> bool:
        return name in self.fitting([name])

    def fitting(self, names: Iterable[str]) -> set[str]:
        return set(filter(_pattern(self).fullmatch, names))

    def short(self, name: str, salt: str = "") -> str:
        """A name that fits: the readable part of ``name`` and a hash of the whole; ``salt`` yields another one."""
        digest = wire.digest(f"{name}{salt}", _DIGITS)
        readable = re.sub(f"[^{self.letters}]+", "_", name)[: self.longest - _DIGITS - 2].strip("_")
        form = f"{readable}_{digest}"
        return form if self.fits(form) else f"x{form}"


@functools.cache
def _pattern(rule: NameRule) -> re.Pattern[str]:
    first = f"(?=[{rule.first}])" if rule.first else ""
    return re.compile(f"{first}[{rule.letters}]{{1,{rule.longest}}}")


@dataclass(frozen=True, slots=True)
class StrictLimits:
    """A vendor's limits on the sums over all schemas of one request."""

    tools: int
    optional: int
    """Properties that are not required."""

    unions: int
    """Schemas with more than one type."""

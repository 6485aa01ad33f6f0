"""Token usage as disjoint parts, and the one place that knows each vendor's arithmetic.

Law: the parts never overlap and sum to the vendor's total. OpenAI counts cached tokens inside the prompt and
reasoning inside the completion; Anthropic counts cache reads and writes beside ``input_tokens``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

from nexus.dataclasses import dataclass, field
from nexus.wire import Json


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, all counts disjoint.

    ``raw`` is the vendor's own object, None if it reported none; ``service_tier`` is the tier that it reports,
    ``vendor_total`` its own sum, if it has one. ``estimated``: Nexus counted some of it. ``searches`` counts the web
    searches that the vendor made, which it bills in addition to the tokens.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    raw: Mapping[str, Json] | None = field(default=None, compare=False, repr=False)
    service_tier: str = field(default="", compare=False)
    vendor_total: int | None = field(default=None, compare=False)
    estimated: bool = field(default=False, compare=False)
    searches: int = field(default=0, compare=False, repr=False)

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total_input(self) -> int:
        return self.input + self.cache_read + self.cache_write

    @property
    def total_output(self) -> int:
        return self.output + self.reasoning

    @property
    def total(self) -> int:
        return self.total_input + self.total_output

    @property
    def adds_up(self) -> bool:
        """Whether the parts sum to the total that the vendor reports."""
        return self.vendor_total is None or self.vendor_total == self.total


PARTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
"""The disjoint parts of a usage, by the names of its fields."""

NANO = 10**9
"""Units of money in a dollar, and of time in a second: whole numbers add up exactly."""

DEAREST = 10**14
"""Maximum nano-dollars that one call costs; a larger amount is taken for a mistake."""

parts_of: Callable[[Usage], tuple[int, ...]] = attrgetter(*PARTS)

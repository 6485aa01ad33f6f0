"""Token usage as disjoint parts, and the one place that knows each vendor's arithmetic.

Law: the parts never overlap and sum to the vendor's total. OpenAI counts cached tokens inside the prompt and
reasoning inside the completion; Anthropic counts cache reads and writes beside ``input_tokens``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, all counts disjoint."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

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

"""Learns from completed calls: vendors' token counts for our estimates, and lengths of answers.

Any thread. Per (provider, model), of which only configured ones exist, so that memory is bounded. Newer calls count
more, and what is learned stays within bounds, whatever vendors or clients send.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from nexus.conversation.estimate import Estimate
from nexus.dataclasses import dataclass
from nexus.limits.calibration import UNKNOWN, Calibration, Expected

MEMORY = 0.95
"""How much of what is known about answers is kept per answer: half after 14 answers."""

LARGEST = 100_000
"""Maximum tokens that one answer counts for."""


@dataclass(slots=True)
class _History:
    input: Calibration = UNKNOWN
    output: float | None = None
    spread: float = 0.0


class Learned:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._histories: defaultdict[tuple[str, str], _History] = defaultdict(_History)

    def input(self, provider: str, model: str, estimate: Estimate) -> Expected:
        """The token count that the vendor is expected to report for an estimate."""
        history = self._histories.get((provider, model))
        return (UNKNOWN if history is None else history.input).expect(estimate)

    def output(self, provider: str, model: str) -> int | None:
        """Tokens of a rather long answer of this model; None before the first answer."""
        history = self._histories.get((provider, model))
        if history is None or history.output is None:
            return None
        return min(LARGEST, max(1, round(history.output + history.spread)))

    def saw_input(self, provider: str, model: str, estimate: Estimate, reported: int) -> None:
        if estimate.total <= 0 or reported <= 0:
            return
        with self._lock:
            history = self._histories[provider, model]
            history.input = history.input.after(estimate, reported)

    def saw_output(self, provider: str, model: str, tokens: int) -> None:
        tokens = min(LARGEST, max(0, tokens))
        with self._lock:
            history = self._histories[provider, model]
            if history.output is None:
                history.output, history.spread = float(tokens), tokens / 2
                return
            history.spread = MEMORY * history.spread + (1 - MEMORY) * abs(tokens - history.output)
            history.output = MEMORY * history.output + (1 - MEMORY) * tokens

"""Ends an answer if its vendor cannot: before a stop sequence, or after fewer tokens than the vendor's minimum.

No I/O. Text that may be the beginning of a stop sequence is held back until it is known not to be one, so that no part
of a sequence is ever sent, however it is split into deltas; nothing follows the end. The sequence that completes first
counts, as in a model that stops immediately; of two that complete together, the longer one. Thinking and call arguments
are not searched for stop sequences.
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseEnd, UsageUpdate
from nexus.conversation.parts import Request, Stop, Text
from nexus.conversation.usage import Usage
from nexus.dataclasses import replace
from nexus.protocols.checks import Drops, wrong
from nexus.protocols.codec import Cut, Target, VendorRequest

CHARACTERS_PER_TOKEN = 4
MOST_SEQUENCES, LONGEST_SEQUENCE = 64, 1024
"""Limits on what is searched for in each piece of an answer."""


def cut_for(request: Request, stop: tuple[str, ...], drops: Drops, least: int = 0) -> Cut:
    """The cut for a vendor that does not stop at the sequences ``stop`` of the request, and whose minimum of tokens
    is ``least``. Raises InvalidRequest for sequences that cannot be cut at."""
    if len(stop) > MOST_SEQUENCES or any(len(sequence) > LONGEST_SEQUENCE for sequence in stop):
        raise wrong("stop", f"at most {MOST_SEQUENCES} sequences of at most {LONGEST_SEQUENCE} characters")
    if request.max_tokens is None or request.max_tokens >= least:
        return Cut(stop)
    drops.add("max_tokens")
    return Cut(stop, request.max_tokens)


def write_warming(write: Callable[[Request, Target], VendorRequest], request: Request, target: Target) -> VendorRequest:
    """The vendor's request for a client that wants its prompt cached and no answer, as ``max_tokens`` 0 means at
    Anthropic: other vendors cache what they have read, and generate at least one token."""
    written = write(replace(request, max_tokens=1), target)
    return replace(written, cut=replace(written.cut, max_tokens=0), dropped=(*written.dropped, "max_tokens"))


class Cutter:
    """Takes events; returns those to send. ``usage_of`` estimates the usage of an answer of so many bytes.

    ``cut`` says that the answer was ended here and the vendor is not at its end.
    """

    def __init__(self, cut: Cut, usage_of: Callable[[int], Usage]) -> None:
        self.cut = False
        self._stop = cut.stop
        self._longest = max(map(len, cut.stop), default=1) - 1
        self._left = None if cut.max_tokens is None else cut.max_tokens * CHARACTERS_PER_TOKEN
        self._nothing = cut.max_tokens == 0
        self._usage_of = usage_of
        self._held: dict[int, str] = {}
        self._open: dict[int, bool] = {}
        self._bytes = 0

    def feed(self, event: Event) -> list[Event]:
        if self.cut:
            return []
        match event:
            case PartStart() if self._nothing:
                return self._end(Stop("max_tokens"))
            case ResponseEnd() if self._nothing:
                return [ResponseEnd(Stop("max_tokens"))]
            case PartStart(index=index, part=part):
                self._open[index] = isinstance(part, Text)
                if isinstance(part, Text) and part.text:
                    return [PartStart(index, replace(part, text="")), *self._extend(index, part.text)]
                return [event]
            case PartDelta(index=index, text=words):
                return self._extend(index, words)
            case PartEnd(index=index):
                rest = self._held.pop(index, "")
                del self._open[index]
                return [*self._limited(index, rest), event] if rest else [event]
            case _:
                return [event]

    def _extend(self, index: int, words: str) -> list[Event]:
        self._bytes += len(words.encode("utf-8", "replace"))
        if not self._open.get(index):
            return self._limited(index, words)
        words = self._held.pop(index, "") + words
        if found := self._find(words):
            at, sequence = found
            out = self._limited(index, words[:at])
            return out if self.cut else [*out, *self._end(Stop("stop_sequence", sequence))]
        free = len(words) - self._held_back(words)
        if free < len(words):
            self._held[index] = words[free:]
        return self._limited(index, words[:free])

    def _find(self, words: str) -> tuple[int, str] | None:
        found = [(at + len(stop), at, stop) for stop in self._stop if (at := words.find(stop)) >= 0]
        return min(found)[1:] if found else None

    def _held_back(self, words: str) -> int:
        """Number of characters at the end that may begin a stop sequence."""
        for length in range(min(self._longest, len(words)), 0, -1):
            if any(stop.startswith(words[-length:]) for stop in self._stop):
                return length
        return 0

    def _limited(self, index: int, words: str) -> list[Event]:
        kept = words[: self._left]
        out: list[Event] = [PartDelta(index, kept)] if kept else []
        if self._left is not None:
            self._left -= len(kept)
        return out if kept == words else [*out, *self._end(Stop("max_tokens"))]

    def _end(self, stop: Stop) -> list[Event]:
        self.cut = True
        self._held.clear()
        ends = [PartEnd(index) for index in self._open]
        return [*ends, UsageUpdate(self._usage_of(self._bytes)), ResponseEnd(stop)]

"""Facts that every process should know soon: each has its own copy, reads it without waiting, and tells the others.

Any thread; nobody waits. What is published takes effect at once where it is, and everywhere else as soon as it has
come round, in the order of the supervisor; a process that starts later is told all that still holds. The last word
wins: two processes that say something about one key at the same moment agree in the end, and for that moment they do
not. What must be exact is for ``link``. Times are those of ``time.monotonic``.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

Received = Callable[[Any, Any], None]
"""Gets a key and a value that another process published."""

Publish = Callable[[Any, Any, float], None]
"""Takes a key and a value, plain and the key hashable, and for how many seconds a new process is to be told of them."""

MOST = 20_000
"""Facts that are kept for processes to come; the oldest go first."""

Fact = tuple[str, Any, Any, float]
"""Table, key, value, and the moment until which it holds."""


class Board:
    """``send`` takes what is to be told to others; a single process has none."""

    def __init__(
        self, send: Callable[[Fact], object] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._clock = clock
        self._tables: dict[str, Received] = {}

    def table(self, name: str, received: Received) -> Publish | None:
        """What publishes facts of this kind; None where nobody would hear of them."""
        send = self._send
        if send is None:
            return None
        self._tables[name] = received

        def publish(key: Any, value: Any, seconds: float) -> None:
            send((name, key, value, self._clock() + seconds))

        return publish

    def receive(self, fact: Fact) -> None:
        name, key, value, _ = fact
        if (received := self._tables.get(name)) is not None:
            received(key, value)


class Facts:
    """What still holds, in the supervisor."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._facts: OrderedDict[Hashable, Fact] = OrderedDict()

    def __len__(self) -> int:
        return len(self._facts)

    def keep(self, fact: Fact) -> None:
        at = fact[0], fact[1]
        self._facts.pop(at, None)
        self._facts[at] = fact
        if len(self._facts) > self._most:
            self._facts.popitem(last=False)

    def all(self) -> Iterator[Fact]:
        now = self._clock()
        for at, fact in list(self._facts.items()):
            if fact[3] <= now:
                del self._facts[at]
            else:
                yield fact

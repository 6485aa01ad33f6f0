"""Facts that every process should know soon: each has its own copy, reads it without blocking, and tells the others.

Any thread; never blocks. A fact takes effect at once in the process that publishes it, and in the others when it
arrives, in the supervisor's order. A process that starts later gets all facts that still hold. The last write wins: if
two processes publish the same key at the same time, they differ briefly. For exact state use ``link``. Times are those
of ``time.monotonic``.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

Received = Callable[[Any, Any], None]
"""Called with a key and a value that another process published."""

Publish = Callable[[Any, Any, float], None]
"""Takes a hashable key and a value, both plain, and for how many seconds processes that start later get them."""

MOST = 20_000
"""Maximum facts kept for processes that start later; the oldest are evicted first."""

Fact = tuple[str, Any, Any, float]
"""Table, key, value, and the time until which the fact holds."""


class Board:
    """The facts in one process. ``send`` passes a fact to the others."""

    def __init__(self, send: Callable[[Fact], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._tables: dict[str, Received] = {}

    def table(self, name: str, received: Received) -> Publish:
        self._tables[name] = received

        def publish(key: Any, value: Any, seconds: float) -> None:
            self._send((name, key, value, self._clock() + seconds))

        return publish

    def receive(self, fact: Fact) -> None:
        name, key, value, _ = fact
        if (received := self._tables.get(name)) is not None:
            received(key, value)


class Facts:
    """The supervisor's store of the facts that still hold."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._facts: OrderedDict[Hashable, Fact] = OrderedDict()

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

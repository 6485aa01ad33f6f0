"""Many concurrent callers under an input limit, with a vendor that counts differently from our estimate.

No window spends more than 115 % of the limit; once a model has answered five times, callers who keep retrying
get at least 85 % of it.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import Usage
from nexus.limits.demands import LimitedCall
from nexus.limits.limiter import Limits
from nexus.limits.quota import SECOND, Store
from nexus.limits.refusal import LimitExceeded
from nexus.limits.reservation import Reservation
from nexus.limits.rules import LimitKey
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_redis import RedisStore
from nexus.settings.limits import RateLimits
from tests.limits.kit import START, Clock, ExactLog, storage
from tests.limits.redis_server import RedisServer

INTERVAL, CALLERS = 60, 20
Prompt = tuple[Estimate, int]
"""What we estimate, and what the vendor counts."""


def same(text: int, reported: int, media: int = 0) -> Callable[[random.Random], Prompt]:
    return lambda _: (Estimate(text, media), reported)


def mixed(numbers: random.Random) -> Prompt:
    text = round(10 ** numbers.uniform(1, 2.5))
    return Estimate(text), round((1.4 * text + 40) * numbers.uniform(0.9, 1.1))


def pictures(numbers: random.Random) -> Prompt:
    words = numbers.randint(20, 200)
    return (Estimate(words, 1600), words + 258) if numbers.random() < 0.5 else (Estimate(words), words + 10)


CASES: dict[str, tuple[Callable[[random.Random], Prompt], int]] = {
    "a constant overhead, 12 and 50": (same(12, 50), 1000),
    "three times as many": (same(40, 120), 3000),
    "three times as many, of large ones": (same(300, 900), 20_000),
    "fewer": (same(300, 100), 3000),
    "exactly": (same(50, 50), 1000),
    "mixed sizes": (mixed, 5000),
    "images that count less, among words": (pictures, 8000),
    "images that count more": (same(20, 4000, media=1600), 80_000),
}


@dataclass
class Burst:
    """Callers who call again as soon as they are answered or refused; every answer takes about a second."""

    store: Store
    clock: Clock
    limit: int
    prompt: Callable[[random.Random], Prompt]
    numbers: random.Random = field(default_factory=lambda: random.Random(7))
    answered: int = 0

    def run(self, seconds: float, callers: int = CALLERS) -> ExactLog:
        """The amounts spent, as the vendor counts them, by time of admission."""
        table = RateLimits.model_validate({"per_user": {"interval": f"{INTERVAL}s", "input_token_limit": self.limit}})
        limits, log = Limits(self.store), ExactLog(INTERVAL * SECOND)
        running: list[tuple[int, int, Reservation, int]] = []
        waiting = [(self.clock.now, number) for number in range(callers)]
        end = self.clock.now + round(seconds * SECOND)
        while (moment := min(queue[0][0] for queue in (running, waiting) if queue)) < end:
            self.clock.now = max(self.clock.now, moment)
            if running and running[0][0] == moment:
                _, caller, held, reported = heapq.heappop(running)
                held.settle(Usage(input=reported))
                self.answered += 1
                heapq.heappush(waiting, (self.clock.now + 1000, caller))
                continue
            _, caller = heapq.heappop(waiting)
            estimate, reported = self.prompt(self.numbers)
            try:
                held = limits.reserve(LimitedCall(LimitKey("c", None, "p", "m", table, None), lambda: estimate, None))  # noqa: B023
            except LimitExceeded:
                heapq.heappush(waiting, (self._in(1, 3), caller))
                continue
            log.add(self.clock.now, reported)
            heapq.heappush(
                running, (self.clock.now + round(self.numbers.uniform(0.5, 1.5) * SECOND), caller, held, reported)
            )
        return log

    def _in(self, least: float, most: float) -> int:
        return self.clock.now + round(self.numbers.uniform(least, most) * SECOND)


def used_and_not_passed(store: Store, clock: Clock, prompt: Callable[[random.Random], Prompt], limit: int) -> None:
    burst = Burst(store, clock, limit, prompt)
    log = burst.run(4 * INTERVAL)
    assert log.worst() <= 1.15 * limit
    assert burst.answered > 5
    for window in range(2, 5):
        assert log.spent(START + window * INTERVAL * SECOND) >= 0.85 * limit


@pytest.mark.parametrize(("prompt", "limit"), CASES.values(), ids=CASES)
def test_no_window_exceeds_the_limit_and_most_of_it_is_used(
    prompt: Callable[[random.Random], Prompt], limit: int
) -> None:
    clock = Clock()
    used_and_not_passed(MemoryStore(clock), clock, prompt, limit)


def test_no_window_exceeds_the_limit_in_redis(redis: RedisServer) -> None:
    clock = Clock()
    store = RedisStore(storage(redis), clock=clock, local=MemoryStore(clock))
    used_and_not_passed(store, clock, *CASES["a constant overhead, 12 and 50"])
    store.close()


@pytest.mark.parametrize(("prompt", "limit"), CASES.values(), ids=CASES)
def test_one_burst_on_a_fresh_gateway(prompt: Callable[[random.Random], Prompt], limit: int) -> None:
    """All calls arrive at once, before any answer."""
    clock = Clock()
    assert Burst(MemoryStore(clock), clock, limit, prompt).run(0.2).worst() <= 1.15 * limit

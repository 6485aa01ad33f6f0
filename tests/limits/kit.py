"""Shared by the limit tests: a manual clock, an exact oracle, and shorthands for quotas."""

from dataclasses import dataclass, field

from nexus.limits.quota import SECOND, Demand, Dimension, Quota
from nexus.settings.limits import RedisStorage
from tests.examples import examples
from tests.limits.redis_server import RedisServer

PROFILE = examples(300)
START = 1_790_000_000 * SECOND
"""A moment of these years in microseconds, as large as real ones are."""


@dataclass(slots=True)
class Clock:
    """A manual clock, in microseconds."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


def quota(
    limit: int, interval: float = 60, key: str = "k", dimension: Dimension = "input_tokens", tag: str = "t"
) -> Quota:
    return Quota(f"{{{tag}}}:{key}", dimension, limit, round(interval * SECOND), f"rule {key}")


def demand(amount: int, limit: int, interval: float = 60, key: str = "k", least: int | None = None) -> Demand:
    return Demand(quota(limit, interval, key), amount, least)


def storage(server: RedisServer, **more: object) -> RedisStorage:
    return RedisStorage.model_validate({"type": "redis", "url": server.url, "response_timeout": "5s", **more})


@dataclass(slots=True)
class ExactLog:
    """Every admission with its time: a window with unlimited memory."""

    interval: int
    events: list[list[int]] = field(default_factory=list)

    def spent(self, now: int, reach: int | None = None) -> int:
        """Amount spent in the half-open interval that ends now."""
        horizon = now - (self.interval if reach is None else reach)
        return sum(amount for moment, amount in self.events if horizon < moment <= now)

    def add(self, now: int, amount: int) -> int:
        self.events.append([now, amount])
        return len(self.events) - 1

    def worst(self) -> int:
        """The largest sum over any half-open interval; the largest always ends at an event."""
        worst = within = first = 0
        events = sorted(self.events)
        for moment, amount in events:
            within += amount
            while events[first][0] <= moment - self.interval:
                within -= events[first][1]
                first += 1
            worst = max(worst, within)
        return worst

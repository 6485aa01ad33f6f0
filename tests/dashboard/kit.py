"""A gateway with a made-up day of traffic, so that the dashboard has data to show without any calls."""

import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from nexus.accounting.activity import Activity
from nexus.accounting.finished import Attempted, Finished
from nexus.accounting.ledger import Ledger
from nexus.accounting.record import Charge
from nexus.accounting.writing import Item
from tests.accounting.rows import row

HOUR = 3600.0

ROUTES = ("anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-5-5", "openai/gpt-5.5", "bedrock/nova-pro")
PEOPLE = ("alice", "bob", "build-agent-nightly", "carol", "<script>alert(1)</script>")
OUTCOMES = ("ok",) * 90 + ("refused",) * 3 + ("vendor_error",) * 2 + ("cut", "timeout", "cancelled", "in_band_error")

WHYS = {
    "refused": "Nexus limits model openai/gpt-5.5 to 100 requests per 1m; 0 are left and this request needs 1",
    "vendor_error": "anthropic answered 529: Overloaded",
    "timeout": "openai: no content within 20 s",
    "cut": "bedrock: the connection was reset",
    "cancelled": "the client disconnected",
    "in_band_error": "anthropic answered 500: Internal server error",
}


def busy(activity: Activity, now: float, seed: int = 7) -> None:
    """Makes up a day of calls, more during the day than at night."""
    dice = random.Random(seed)
    clock = activity._clock
    try:
        for minute in range(24 * 60):
            at = now - 24 * HOUR + 60 * (minute + 1)
            awake = 0.4 + 0.6 * max(0.0, 1 - abs((at / HOUR) % 24 - 14) / 9)
            activity._clock = lambda at=at: at  # type: ignore[misc]
            activity.add(list(_calls(dice, at, round(dice.gauss(14 * awake, 3)))))
    finally:
        activity._clock = clock


def _calls(dice: random.Random, at: float, count: int) -> Iterator[Finished]:
    for index in range(max(1, count)):
        yield call(dice, at - 60 + 60 * (index + 1) / max(1, count))


def call(dice: random.Random, at: float) -> Finished:
    outcome, route = dice.choice(OUTCOMES), dice.choices(ROUTES, (5, 3, 4, 1))[0]
    who, total = dice.choice(PEOPLE), dice.lognormvariate(1.1, 0.8)
    attempts: list[Attempted] = []
    fell_back = outcome == "ok" and dice.random() < 0.08
    if fell_back:
        attempts.append(("anthropic/claude-sonnet-5-5", False, 0, (0,) * 6, None))
    if outcome not in ("refused", "cut"):
        tokens = (dice.randrange(4000), dice.randrange(60_000), dice.randrange(3000), 0, dice.randrange(1500), 0)
        cost = sum(count * price for count, price in zip(tokens, (3000, 300, 3750, 6000, 15000, 15000), strict=True))
        attempts.append((route, outcome == "ok", cost, tokens, 1000 * total * 0.3))
    line: dict[str, Any] = {
        "id": f"req_{dice.randrange(16**8):08x}",
        "at": at,
        "caller": who,
        "session": "",
        "protocol": "messages",
        "operation": "generate",
        "model": "coding" if fell_back else "<script>alert(2)</script>" if dice.random() < 0.03 else route,
        "route": attempts[-1][0] if attempts else "",
        "stream": True,
        "status": {"ok": 200, "refused": 429, "vendor_error": 529, "cancelled": 499}.get(outcome, 502),
        "outcome": outcome,
        "why": WHYS.get(outcome, ""),
        "tried": f"anthropic/claude-sonnet-5-5=529, {route}=200" if fell_back else "",
        "dropped": "context_management, thinking.display" if dice.random() < 0.04 else "",
        "first_ms": 1000 * total * 0.3 if attempts else None,
        "total_ms": 1000 * total,
        "own_ms": dice.lognormvariate(0.6, 0.4),
        "tokens": [sum(parts) for parts in zip(*(attempt[3] for attempt in attempts), strict=True)],
        "cost": sum(attempt[2] or 0 for attempt in attempts),
    }
    return (who, ""), outcome, line["own_ms"], tuple(attempts), line


def booked(ledger: Ledger, now: float, seed: int = 7) -> None:
    """Books three weeks of work in a ledger, and the part that counts against this month's budget."""
    dice = random.Random(seed)
    month = time.strftime("%Y-%m", time.gmtime(now))
    for day in range(21):
        for number in range(40 if day % 7 > 4 else 120):
            at = now - 24 * HOUR * day - dice.random() * 6 * HOUR
            who, route = dice.choice(PEOPLE), dice.choices(ROUTES, (5, 3, 4, 1))[0]
            input_, read, output = dice.randrange(40_000), dice.randrange(600_000), dice.randrange(15_000)
            told = row(
                f"{day}-{number}",
                at,
                caller=who,
                group_name="web" if who in ("alice", "bob") else "data",
                key_name=who,
                session=f"session-{dice.randrange(9)}",
                agent="claude-code",
                model=route,
                route=route,
                outcome=(outcome := "ok" if dice.random() < 0.95 else "vendor_error"),
                call_outcome=outcome,
                tokens_known="yes",
                input_tokens=input_,
                cache_read_tokens=read,
                output_tokens=output,
                cost_nano=3000 * input_ + 300 * read + 15_000 * output,
            )
            charge = Charge("monthly", f"key:{quote(who)}", month, told["cost_nano"])
            this_month = time.strftime("%Y-%m", time.gmtime(at)) == month
            ledger.add((Item(told, (charge,) if this_month else ()),))
    assert ledger.flush(60)

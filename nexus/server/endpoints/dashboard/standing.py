"""Usage of the limits and budgets that apply to a caller.

Reading reserves nothing. Call it on a thread that may block, because the store may.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal
from urllib.parse import unquote

from nexus.auth.identity import Identity
from nexus.conversation.usage import NANO
from nexus.dataclasses import dataclass
from nexus.errors import Overloaded
from nexus.gateway.routing import Routes
from nexus.headers.tags import TAG
from nexus.limits.accounts import BudgetAccount
from nexus.limits.call_limits import caller_account
from nexus.limits.quota import SECOND, Demand, Quota, Refused, Standing, Store
from nexus.limits.refusal import interval_words
from nexus.limits.rules import LimitKey, plan_of, quotas_of

Unit = Literal["usd", "requests", "input_tokens", "output_tokens"]

WARN_AT = 0.8


@dataclass(frozen=True, slots=True)
class Gauge:
    """``name`` is the limit's, ``whose`` the subject that it counts, "" for the viewer. ``used`` and ``limit`` are in
    ``unit``; ``window`` is in words. ``reset`` is the Unix time at which the usage is 0 again, None if it is 0 now.
    ``warn_at`` is a share of the limit.
    """

    name: str
    whose: str
    unit: Unit
    used: float
    limit: float
    window: str
    reset: float | None
    warn_at: float = WARN_AT


MOST = 40
"""Maximum limits, and maximum budgets, read for one caller."""


def standings(
    store: Store, routes: Routes, identity: Identity, address: str, accounts: Iterable[BudgetAccount] = ()
) -> list[Gauge]:
    """Returns gauges of all limits for this caller on these routes, and of ``accounts`` of budgets; fullest first."""
    gauges = [_gauge(store, quota) for quota in _quotas(routes, identity, address)]
    gauges += [_budget(store, account) for account in islice(accounts, MOST)]
    return sorted((one for one in gauges if one is not None), key=lambda one: -one.used / one.limit)


def _quotas(routes: Routes, identity: Identity, address: str) -> Iterable[Quota]:
    client = caller_account(identity, address)
    quotas: dict[str, Quota] = {}
    for quota in _all(routes, identity, client):
        quotas.setdefault(quota.key, quota)
        if len(quotas) == MOST:
            break
    return quotas.values()


def _all(routes: Routes, identity: Identity, client: str) -> Iterator[Quota]:
    for route in routes:
        provider, own = route.provider, route.settings.rate_limits
        if provider.settings.rate_limits is not None or own is not None:
            key = LimitKey(client, identity.group, provider.name, route.alias, provider.settings.rate_limits, own)
            yield from quotas_of(plan_of(key), key)


def _gauge(store: Store, quota: Quota) -> Gauge | None:
    standing = _standing(store, Demand(quota, quota.limit + 1))
    if standing is None or quota.dimension == "cost":
        return None
    ends = time.time() + standing.reset / SECOND if standing.reset else None
    return Gauge(
        quota.rule, "", quota.dimension, standing.used, quota.limit, f"in any {interval_words(quota.interval)}", ends
    )


def _budget(store: Store, account: BudgetAccount) -> Gauge | None:
    quota = account.quota
    standing = _standing(store, Demand(quota, quota.limit + 1, ago=account.ago))
    return None if standing is None else gauge_of(account, standing.used)


def gauge_of(account: BudgetAccount, nano: int) -> Gauge:
    """Returns the gauge of a budget of which ``nano`` nano-dollars are spent."""
    settings, whose = account.budget, _readable(account.subject)
    used, limit, window = nano / NANO, settings.limit_usd / NANO, f"this {settings.period} ({settings.time_zone})"
    warn_at = WARN_AT if settings.warn_at is None else settings.warn_at
    whose = f"{settings.per.removeprefix(TAG)} {whose or '-'}"
    return Gauge(f"budget {account.name}", whose, "usd", used, limit, window, account.period.ends, warn_at)


def _readable(subject: str) -> str:
    """Returns a user, key or group in readable form, without the kind of proof that it starts with."""
    return " ".join(unquote(part) for part in subject.split(":")[1:]) or subject


def _standing(store: Store, demand: Demand) -> Standing | None:
    """Reads a quota by demanding more than its limit: this never reserves anything, and the rejection contains the
    standing. Returns None if the store is unavailable."""
    try:
        decision = store.reserve([demand])
    except Overloaded:
        return None
    return decision.standing if isinstance(decision, Refused) else None

"""Limits the number of requests, rejected ones included: overall, and per address.

Both are decided in one step, so that a request rejected by the address's limit takes nothing from the overall limit. An
address counts as the network that one party holds: an IPv6 address by its first 64 bits, IPv4-mapped IPv6 as IPv4.
"""

from __future__ import annotations

import functools
import ipaddress

from nexus.auth.identity import Identity, joined
from nexus.limits.limiter import Limits, tell_decision
from nexus.limits.quota import Demand, Granted, Loop, Quota, Refused, Store
from nexus.limits.refusal import LimitExceeded
from nexus.limits.rules import microseconds
from nexus.limits.store_keys import calls_key, encode_id
from nexus.settings.limits import RequestLimits


class CallLimits:
    """The request limits of ``[server.rate_limits]``."""

    def __init__(self, settings: RequestLimits, limits: Limits) -> None:
        self._limits = limits
        self._overall = settings.overall if settings.enabled else None
        self._per_ip = settings.per_ip if settings.enabled else None
        self._same_for_all = None if self._per_ip is not None else self._demands("")

    async def admit(self, address: str, loop: Loop) -> None:
        """Counts one request. Raises LimitExceeded, or Overloaded if the store cannot decide or no worker is free."""
        demands = self._demands(address) if self._same_for_all is None else self._same_for_all
        if not demands:
            return
        count = functools.partial(_count, self._limits.store, demands)
        decision = await loop.work(count) if self._limits.store.blocks else count()
        tell_decision(self._limits.decided, decision)
        if isinstance(decision, Refused):
            raise LimitExceeded(decision)

    def _demands(self, address: str) -> list[Demand]:
        overall, per_ip = self._overall, self._per_ip
        network = network_of(address) if per_ip is not None else ""
        # Decided together, keys must lie in one slot of a cluster; keys of addresses alone may spread over all slots.
        tag = "all" if overall is not None else network
        demands = []
        for rate, whose, rule in (overall, "*", "all callers together"), (per_ip, network, "each address"):
            if rate is not None:
                interval = microseconds(rate.interval)
                quota = Quota(calls_key(tag, whose, interval), "requests", rate.limit, interval, rule)
                demands.append(Demand(quota, 1))
        return demands


def _count(store: Store, demands: list[Demand]) -> Granted | Refused:
    decision = store.reserve(demands)
    if isinstance(decision, Granted):
        store.settle(decision, [demand.amount for demand in demands])
    return decision


def caller_account(identity: Identity, address: str) -> str:
    """What a caller's limits and budgets are kept for: its account, or its address if it has none."""
    return identity.account or joined("address", network_of(address))


@functools.lru_cache(1024)
def network_of(address: str) -> str:
    """The network that an address counts as; anything that is not an address counts as itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return encode_id(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return encode_id(f"{ipaddress.ip_network((int(ip) >> 64 << 64, 64)).network_address}/64")
        ip = ip.ipv4_mapped
    return encode_id(str(ip))

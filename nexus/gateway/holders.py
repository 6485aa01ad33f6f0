"""The providers that hold files or batches for callers, and which of them a call goes to."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.call import Call
from nexus.errors import InvalidRequest, NotFound
from nexus.gateway.routing import Routes
from nexus.headers.own import STORED_PROVIDER
from nexus.provider import Provider


def holders(seen: Routes, dialect: str, kind: str) -> dict[str, Provider]:
    """The providers whose files or batches a caller may ask for, in the order of the file."""
    return {route.provider.name: route.provider for route in seen if route.provider.holds(kind, dialect)}


def wanted(call: Call, providers: Mapping[str, Provider]) -> Provider | None:
    """The one that the client names; None where it names none. Raises NotFound."""
    name = call.headers.get(STORED_PROVIDER, "").strip()
    if name and name not in providers:
        raise NotFound(
            f"the header {STORED_PROVIDER} names no provider that has this; there is: {', '.join(providers)}"
        )
    return providers[name] if name else None


def only(providers: Mapping[str, Provider]) -> Provider:
    """Raises InvalidRequest where there are several."""
    if len(providers) > 1:
        raise InvalidRequest(
            f"the header {STORED_PROVIDER} is missing; it names one of: {', '.join(providers)}", param=STORED_PROVIDER
        )
    return next(iter(providers.values()))

"""Whether the gateway is open to other machines without authentication.

Checked after flags of the command line have been applied.
"""

from __future__ import annotations

from nexus.settings.root import Settings


def exposure(settings: Settings) -> str | None:
    """Why these settings must not be served; None where they may."""
    server = settings.server
    if server.is_local or server.asks_who_calls or server.open or not settings.llm.enabled:
        return None
    providers = settings.llm.providers.items()
    names = [name for name, provider in providers if provider.models and provider.spends]
    if not names:
        return None
    address = next(address for address in server.listen_address if not address.is_loopback)
    return (
        f"listening on {address} without any authentication would let whoever reaches this port spend the credentials "
        f"of {', '.join(names)}: give out keys (nexus key new NAME prints one and its table), or set "
        "server.open = true where something in front asks who calls"
    )

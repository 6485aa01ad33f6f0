"""What is allowed and yet worth a loud word before serving.

Law: nothing here refuses anything; what must not run is a problem, found while loading.
"""

from __future__ import annotations

from nexus.settings.root import Settings


def warnings(settings: Settings) -> tuple[str, ...]:
    """One sentence each, for the log at start and for ``nexus check``."""
    return (*_open_to_the_network(settings), *_idle_providers(settings))


def _open_to_the_network(settings: Settings) -> tuple[str, ...]:
    address = settings.server.listen_address
    if address.is_loopback or not settings.llm.enabled:
        return ()
    return (
        f"listening on {address} without any authentication: whoever reaches this port can use every configured "
        "key; listen on 127.0.0.1, or put an authenticating proxy in front",
    )


def _idle_providers(settings: Settings) -> tuple[str, ...]:
    idle = [name for name, provider in settings.llm.providers.items() if not provider.models]
    return tuple(f"provider {name} has no models and serves nothing" for name in idle if settings.llm.enabled)

"""The values of ``Host`` that are accepted while no credential is asked for.

Pure. A web page can give its own name the address of this machine (DNS rebinding), and then read what it is
answered; only the header Host tells that name from this machine's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.settings.listen import ip_of, is_loopback_host

OF_CONTAINERS = frozenset({"host.docker.internal", "host.containers.internal"})
"""How containers call the machine that they run on."""


def is_own(host: str, names: Sequence[str]) -> bool:
    """Whether the value of a header Host is no foreign name; ``names`` are those of the settings."""
    name = _without_port(host.strip()).lower().removesuffix(".")
    if not name or ip_of(name) is not None or is_loopback_host(name) or name in OF_CONTAINERS:
        return True
    return any(name == known or (known.startswith("*.") and name.endswith(known[1:])) for known in names)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].partition("%")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host

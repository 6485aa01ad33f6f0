"""What a caller may see of what callers used: everybody, or himself.

Fails closed. Who cannot be told from others sees nothing where callers are told apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nexus.auth.identity import Identity
from nexus.errors import PermissionDenied

Only = Mapping[str, str]
"""The user and the gateway key whose calls somebody sees; the key is "" where it was none. A key's name and a token's
subject can be the same text, hence both."""


def sight_of(identity: Identity, readers: Collection[str]) -> Only | None:
    """None for everybody: to the groups of ``[usage] readers``, and to all where the gateway is open and tells nobody
    apart. Raises PermissionDenied.
    """
    if identity.group is not None and identity.group in readers:
        return None
    if identity.client_id is None:
        if identity.source == "open":
            return None
        raise PermissionDenied("nothing says who you are, hence not what you used")
    return {"user": identity.client_id, "key": identity.key or ""}


def sees_everybody(identity: Identity, readers: Collection[str]) -> bool:
    """For what cannot be told by caller."""
    return (identity.client_id is None and identity.source == "open") or identity.group in readers

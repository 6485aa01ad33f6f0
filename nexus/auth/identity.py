"""The identity of a caller, which every call has, and what it may see of what callers used: everybody, or itself.

Fails closed. Who cannot be told from others sees nothing where callers are told apart.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Literal
from urllib.parse import quote

from nexus.dataclasses import dataclass
from nexus.errors import AuthenticationFailed, PermissionDenied
from nexus.settings.patterns import matches

Source = Literal["open", "key", "token"]
"""What proved it: nothing (the gateway is open), a gateway key, or a token."""


@dataclass(frozen=True, slots=True)
class Identity:
    """``client_id`` and ``group`` are None where nobody is told apart; ``models`` is None where all are allowed.

    ``key`` names the gateway key, where it was one. ``owner`` is whose a kept answer is, even where limits tell
    nobody apart: "" for all at an open gateway, None where nobody can say. ``credential_headers`` are the headers that
    the credential came in, which must never travel to a vendor. ``claims`` are those of its token by which providers
    attribute calls.
    """

    client_id: str | None
    group: str | None
    models: tuple[str, ...] | None
    source: Source
    key: str | None
    owner: str | None
    credential_headers: frozenset[str]
    claims: tuple[tuple[str, str], ...] = ()

    @property
    def account(self) -> str | None:
        """Stands for the client in keys of stores; a token's subject and a key's name can not be mistaken for it."""
        return None if self.client_id is None else joined(self.source, self.client_id)


class Unidentified(AuthenticationFailed):
    """No credential came, or a bad one. ``token`` says that what came was taken for a token."""

    def __init__(self, message: str, *, sent: bool, token: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.token = token


def may_use(identity: Identity, model: str) -> bool:
    """Whether the caller may call a model, by its public name ``provider/alias``."""
    return identity.models is None or any(matches(pattern, model) for pattern in identity.models)


@functools.lru_cache(maxsize=1024)
def joined(*parts: str) -> str:
    """One key out of many parts; different parts never give the same key, whatever they hold."""
    return ":".join(quote(part, safe="@.") for part in parts)


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
        raise PermissionDenied("the caller cannot be identified, so there is no usage to show")
    return {"user": identity.client_id, "key": identity.key or ""}


def sees_everybody(identity: Identity, readers: Collection[str]) -> bool:
    """For what cannot be told by caller."""
    return (identity.client_id is None and identity.source == "open") or identity.group in readers

"""The identity of a caller, and whose usage it may see.

Fails closed: if callers are identified, one without an identity sees nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Literal
from urllib.parse import quote

from nexus.dataclasses import dataclass
from nexus.errors import AuthenticationFailed, PermissionDenied
from nexus.settings.keys import matches
from nexus.wire import Json

Source = Literal["open", "key", "token"]
"""How a caller was authenticated: not at all (the gateway is open), by a gateway key, or by a token."""

Claims = Mapping[str, Json]
"""The verified claims of a token."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The keys for a token are being fetched: wait for ``fetched``, which never has an exception, and verify again."""

    fetched: Future[None]


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. ``client_id`` and ``group`` are None if callers are not identified; ``models`` is None if all are
    allowed.

    ``key`` is the name of its gateway key, if it used one. ``owner`` owns its stored answers, even if limits do not
    distinguish callers: "" for all callers of an open gateway, None if unknown. ``credential_headers`` contained the
    credential and must never be sent to a vendor. ``claims`` are the token claims for the attribution of calls.
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
        """The client in keys of stores, distinct for a token's subject and a key's name with the same text."""
        return None if self.client_id is None else joined(self.source, self.client_id)


class Unidentified(AuthenticationFailed):
    """The credential is missing or invalid. ``sent`` says that there was one, ``token`` that it was checked as a
    token."""

    def __init__(self, message: str, *, sent: bool, token: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.token = token


def may_use(identity: Identity, model: str) -> bool:
    """Whether the caller may use a model, given by its public name ``provider/alias``."""
    return identity.models is None or any(matches(pattern, model) for pattern in identity.models)


@functools.lru_cache(maxsize=1024)
def joined(*parts: str) -> str:
    """Joins parts to one key; different parts never give the same key."""
    return ":".join(quote(part, safe="@.") for part in parts)


Who = tuple[str, str]
"""A user and a gateway key, "" for a token: a caller who may not see everyone's usage sees that of this pair. Both are
needed, because a key's name and a token's subject can be the same text."""


def sight_of(identity: Identity, readers: Collection[str]) -> Who | None:
    """Whose usage a caller may see. None means everyone's: for groups in ``[usage] readers``, and for all callers of an
    open gateway that does not identify them. Raises PermissionDenied.
    """
    if sees_everybody(identity, readers):
        return None
    if identity.client_id is None:
        raise PermissionDenied("the caller cannot be identified, so there is no usage to show")
    return identity.client_id, identity.key or ""


def sees_everybody(identity: Identity, readers: Collection[str]) -> bool:
    """Whether a caller may see data that is not broken down by caller."""
    return (identity.client_id is None and identity.source == "open") or identity.group in readers

"""The identity of a caller; every call has one."""

from __future__ import annotations

import functools
from typing import Literal
from urllib.parse import quote

from nexus.errors import AuthenticationFailed
from nexus.settings.patterns import matches
from nexus.valueclass import valueclass

Source = Literal["open", "key", "token"]
"""What proved it: nothing (the gateway is open), a gateway key, or a token."""


@valueclass(frozen=True, slots=True)
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

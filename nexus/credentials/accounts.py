"""The accounts of a provider: one for each key in its settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from pydantic import SecretStr

from nexus.settings.provider import ProviderSettings


@dataclass(frozen=True, slots=True)
class Account:
    """One of the gateway's accounts at a vendor. ``name`` tells it from the others of its provider and is made of its
    key; "" where there is only one.
    """

    name: str = ""
    key: SecretStr | None = field(default=None, repr=False)


def accounts_of(provider: str, settings: ProviderSettings) -> tuple[Account, ...]:
    keys = settings.configured_keys
    if len(keys) < 2:
        return (Account("", keys[0] if keys else None),)
    return tuple(Account(_account_name(provider, key), key) for key in keys)


def _account_name(provider: str, key: SecretStr) -> str:
    """The same in every process and after a reload, whatever the order of the keys; no way back to the key."""
    return hashlib.sha256(f"{provider}\n{key.get_secret_value()}".encode()).hexdigest()[:12]

"""The accounts of a provider: one per key in its settings, or one whose key is fetched and renewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from nexus.dataclasses import dataclass, field
from nexus.renewal import Grant, Renewed
from nexus.settings.auth_scheme import AuthSchemeSettings
from nexus.settings.leaves import leaves
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.shared import Make
from nexus.wire import digest


@dataclass(frozen=True, slots=True)
class Account:
    """One of the gateway's accounts at a vendor.

    ``name`` distinguishes it from the provider's others; "" if there is only one. ``key_id`` is derived from its
    credentials, so that new ones are not in the cooldown of those that they replace.
    """

    name: str = ""
    key: SecretStr | None = field(default=None, repr=False)
    key_id: str = ""


def accounts_of(provider: str, settings: ProviderSettings) -> tuple[Account, ...]:
    keys = {_id_of(provider, key.get_secret_value()): key for key in settings.configured_keys}
    if not keys:
        return (Account(key_id=_id_of(provider, *_texts(settings))),)
    return tuple(Account(id if len(keys) > 1 else "", key, id) for id, key in keys.items())


def _id_of(provider: str, *credentials: str) -> str:
    """The same in all processes and after reloads; does not reveal the credentials."""
    return digest("\n".join((provider, *credentials)), 12)


def _texts(settings: ProviderSettings) -> Iterator[str]:
    """The settings from which other credentials come, such as AWS's: every text but those of models."""
    for _, leaf in leaves(settings, skips=lambda table: isinstance(table, ModelSettings)):
        if isinstance(leaf, SecretStr):
            yield leaf.get_secret_value()
        elif isinstance(leaf, str | Path):
            yield str(leaf)


Fetch = Callable[[], Grant[SecretStr]]

LEAST_BETWEEN = 30.0
"""Minimum seconds between two fetches of a key."""


def renewed_key(
    name: str,
    settings: ProviderSettings,
    learn: Callable[[str], None],
    hold: Callable[[Make[Renewed[SecretStr]]], Renewed[SecretStr]],
) -> Renewed[SecretStr] | None:
    """What fetches the gateway's key; None if the settings configure no way to.

    ``learn`` is called with every spelling of a fetched key; ``hold`` shares the result with another provider of the
    same settings.
    """

    def renewed(fetch: Fetch) -> Renewed[SecretStr]:
        return Renewed(name, partial(_fetch_and_learn, fetch, settings, learn), least=LEAST_BETWEEN)

    # Imported here, because most providers have a fixed key.
    if isinstance(settings, AuthSchemeSettings) and settings.entra is not None:
        from nexus.provider.entra import Entra

        identity, ca_file = settings.entra, settings.trust.ca_file

        def open_entra(stack: ExitStack) -> Renewed[SecretStr]:
            entra = Entra(name, identity, proxy=settings.proxy, ca_file=ca_file)
            return renewed(stack.enter_context(closing(entra)).fetch)

        return hold(open_entra)
    if settings.api_key_command is not None:
        from nexus.provider.key_command import KeyCommand

        command = KeyCommand(name, settings.api_key_command, settings.api_key_refresh)
        return hold(lambda _: renewed(command.fetch))
    return None


def _fetch_and_learn(fetch: Fetch, settings: ProviderSettings, learn: Callable[[str], None]) -> Grant[SecretStr]:
    grant = fetch()
    for spelling in settings.spellings(grant.value):
        learn(spelling)
    return grant

"""A vendor's key that is not written in the settings: fetched, and renewed before it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

from pydantic import SecretStr

from nexus.credentials.entra import Entra
from nexus.credentials.key_command import KeyCommand
from nexus.renewal import Grant, Renewed
from nexus.settings.auth_scheme import AuthSchemeSettings
from nexus.settings.provider import ProviderSettings
from nexus.shared import Make

LEAST_BETWEEN = 30.0
"""Seconds between two times that a configured key is asked for."""


def renewed_key(
    name: str,
    settings: ProviderSettings,
    learn: Callable[[str], None],
    hold: Callable[[Make[Renewed[SecretStr]]], Renewed[SecretStr]],
) -> Renewed[SecretStr] | None:
    """None where the settings name no way to get one. ``learn`` is told every spelling of a key that was
    fetched; ``hold`` makes what is shared with another provider of the same settings.
    """

    def learned(fetch: Callable[[], Grant[SecretStr]]) -> Callable[[], Grant[SecretStr]]:
        def fetch_and_learn() -> Grant[SecretStr]:
            grant = fetch()
            for spelling in settings.spellings(grant.value):
                learn(spelling)
            return grant

        return fetch_and_learn

    if isinstance(settings, AuthSchemeSettings) and settings.entra is not None:
        asked, ca_file = settings.entra, settings.trust.ca_file

        def ask(stack: ExitStack) -> Renewed[SecretStr]:
            entra = stack.enter_context(closing(Entra(name, asked, proxy=settings.proxy, ca_file=ca_file)))
            return Renewed(name, learned(entra.fetch), least=LEAST_BETWEEN)

        return hold(ask)
    if settings.api_key_command is not None:
        command = KeyCommand(name, settings.api_key_command, settings.api_key_refresh)
        return hold(lambda _: Renewed(name, learned(command.fetch), least=LEAST_BETWEEN))
    return None

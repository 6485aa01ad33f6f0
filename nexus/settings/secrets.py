"""Finds every secret in the settings, for the log redactor.

Found by type, not by field name, so that a secret added later is covered on the day it is added.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, SecretStr

from nexus.settings.header_rules import NamingRule
from nexus.settings.leaves import leaves
from nexus.settings.root import Settings
from nexus.settings.urls import host_of, passwords_in


def secrets(settings: Settings) -> tuple[str, ...]:
    """Every secret value once, longest first."""
    found = set(_all(settings)) - _public_names(settings)
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))


def _all(settings: Settings) -> Iterator[str]:
    for provider in settings.llm.providers.values():
        yield from provider.derived_secrets
    for _, leaf in leaves(settings, skips=_is_plain):
        if isinstance(leaf, SecretStr):
            yield leaf.get_secret_value()
        elif isinstance(leaf, str):
            yield from passwords_in(leaf)


def _is_plain(table: BaseModel) -> bool:
    """What a rule puts into a header that carries no credential is a plain word, such as "production"."""
    return isinstance(table, NamingRule) and not table.allow_secret


def _public_names(settings: Settings) -> set[str]:
    """Words that servers without keys are given as one ("ollama"); hiding them would blank out every route."""
    providers = settings.llm.providers
    hosts = {host_of(provider.base_url) for provider in providers.values() if provider.base_url}
    return {*providers, *(provider.type for provider in providers.values()), *(host for host in hosts if host)}

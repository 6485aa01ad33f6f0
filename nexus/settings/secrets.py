"""Finds every secret in the settings, for the log redactor.

Secrets are found by type, not by field name, so that a new secret is covered at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, SecretStr

from nexus.settings.header_rules import NamingRule
from nexus.settings.leaves import leaves
from nexus.settings.root import Settings
from nexus.settings.urls import host_of, passwords_in


def secrets(settings: Settings) -> tuple[str, ...]:
    """All distinct secret values, longest first."""
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
    """Whether a table holds no secrets: a rule for a header without a credential has a plain value, like
    "production"."""
    return isinstance(table, NamingRule) and not table.allow_secret


def _public_names(settings: Settings) -> set[str]:
    """Names that may also serve as a placeholder key ("ollama"); redacting them would blank out every route."""
    providers = settings.llm.providers
    hosts = {host_of(provider.base_url) for provider in providers.values() if provider.base_url}
    return {*providers, *(provider.type for provider in providers.values()), *(host for host in hosts if host)}

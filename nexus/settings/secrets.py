"""Finds every secret in the settings, for the log redactor.

Found by type, not by field name, so that a secret added later is covered on the day it is added.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, SecretStr

from nexus.settings.header_rules import NamingRule
from nexus.settings.provider import ProviderSettings
from nexus.settings.root import Settings
from nexus.settings.urls import host_of, passwords_in


def secrets(settings: Settings) -> tuple[str, ...]:
    """Every secret value once, longest first."""
    found = set(_walk(settings)) - _public_names(settings)
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))


def _walk(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case NamingRule(allow_secret=False):
            # What it puts into a header that carries no credential is a plain word, such as "production".
            return
        case BaseModel():
            if isinstance(value, ProviderSettings):
                yield from value.derived_secrets
            for name in type(value).model_fields:
                yield from _walk(getattr(value, name))
        case dict():
            for item in value.values():
                yield from _walk(item)
        case list() | tuple():
            for item in value:
                yield from _walk(item)
        case str():
            yield from passwords_in(value)


def _public_names(settings: Settings) -> set[str]:
    """Words that servers without keys are given as one ("ollama"); hiding them would blank out every route."""
    providers = settings.llm.providers
    hosts = {host_of(provider.base_url) for provider in providers.values() if provider.base_url}
    return {*providers, *(provider.type for provider in providers.values()), *(host for host in hosts if host)}

"""Secrets are found by type anywhere in the settings and never appear in a repr."""

from typing import Any

import pytest

from nexus.settings import Settings, secrets
from nexus.settings.warnings import warnings


def settings(server: dict[str, Any] | None = None, **providers: dict[str, Any]) -> Settings:
    tables = {name: {"type": "openai", "models": {"a": {}}, **table} for name, table in providers.items()}
    return Settings.model_validate({"server": server or {}, "llm": {"providers": tables}})


def test_every_secret_is_found_and_none_is_shown() -> None:
    both = settings(
        one={"api_key": "sk-hushhush-one"},
        two={"api_key": " sk-hushhush-two-longer ", "proxy": "http://me:hushhush%40word@proxy:3128"},
    )
    assert secrets(both) == ("sk-hushhush-two-longer", "hushhush%40word", "sk-hushhush-one", "hushhush@word")
    for secret in secrets(both):
        assert secret not in repr(both)
        assert secret not in str(both)


NO_SECRETS = {
    "provider name as key": {"ollama": {"api_key": "ollama"}},
    "type as key": {"x": {"api_key": "openai"}},
    "host as key": {"x": {"api_key": "ollama-host", "base_url": "http://ollama-host:11434/v1"}},
}


@pytest.mark.parametrize("providers", NO_SECRETS.values(), ids=NO_SECRETS.keys())
def test_public_names_are_not_secrets(providers: dict[str, dict[str, Any]]) -> None:
    assert secrets(settings(**providers)) == ()


WARNED: dict[str, tuple[Settings, list[str]]] = {
    "loopback": (settings(x={"api_key": "k"}), []),
    "IPv6 loopback": (settings({"listen_address": "[::1]:1"}, x={"api_key": "k"}), []),
    "everywhere": (
        settings({"listen_address": "0.0.0.0:80"}, x={"api_key": "k"}),
        ["listening on 0.0.0.0:80 without authentication"],
    ),
    "name": (
        settings({"listen_address": "gateway:80"}, x={"api_key": "k"}),
        ["listening on gateway:80 without authentication"],
    ),
    "expired key": (
        settings(
            {"keys": {"old": {"key": "nx-hushhush0123456789abcdef", "expires": "2020-01-31"}}}, x={"api_key": "k"}
        ),
        ["server.keys.old has expired"],
    ),
    "idle provider": (settings(x={"api_key": "k"}, y={"api_key": "k", "models": {}}), ["provider y has no models"]),
    "nothing served": (
        Settings.model_validate({"server": {"listen_address": "0.0.0.0:80"}, "llm": {"enabled": False}}),
        [],
    ),
}


@pytest.mark.parametrize(("given", "expected"), WARNED.values(), ids=WARNED.keys())
def test_risky_settings_are_warned_about(given: Settings, expected: list[str]) -> None:
    said = warnings(given)
    assert len(said) == len(expected)
    for line, start in zip(said, expected, strict=True):
        assert line.startswith(start)

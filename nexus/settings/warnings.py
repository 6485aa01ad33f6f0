"""Warnings about valid but risky settings, and the check against serving the configured keys to everyone."""

from __future__ import annotations

import os
from collections.abc import Mapping

from nexus.settings.hints import hints
from nexus.settings.keys import matches
from nexus.settings.oauth import oauth_warnings
from nexus.settings.root import Settings, limit_tables
from nexus.settings.targets import hidden_aliases


def warnings(settings: Settings) -> tuple[str, ...]:
    """Warnings of one sentence each, for the log at start and for ``nexus check``."""
    return (
        *_open_to_the_network(settings),
        *_metrics_open_to_the_network(settings),
        *_believed_headers(settings),
        *_callers_told_apart_by_default(settings),
        *oauth_warnings(settings.server.oauth),
        *_keys_without_a_model(settings),
        *_idle_providers(settings),
        *_hidden_aliases(settings),
        *hints(settings),
        *settings.origin.notes,
        *_ignored_environment(settings, os.environ),
    )


def _open_to_the_network(settings: Settings) -> tuple[str, ...]:
    server = settings.server
    if server.is_local or not settings.llm.enabled or server.asks_who_calls:
        return ()
    return tuple(
        f"listening on {address} without authentication: anyone who can reach this port can use every "
        "configured key; issue keys (nexus key new NAME), or listen on 127.0.0.1"
        for address in server.listen_address
        if not address.is_loopback
    )


def _metrics_open_to_the_network(settings: Settings) -> tuple[str, ...]:
    metrics = settings.server.metrics
    return tuple(
        f"metrics are served on {address} without authentication: anyone who can reach this port sees which models "
        "are used, how much, and what they cost"
        for address in (metrics.listen_address or () if metrics.enabled else ())
        if not address.is_loopback
    )


def _believed_headers(settings: Settings) -> tuple[str, ...]:
    identification = settings.server.client_identification
    source = identification.client_id
    if not identification.enabled or source is None or source.http_header is None:
        return ()
    return (
        f"client ids are taken from the header {source.http_header}, which any caller can forge: issue keys (nexus "
        "key new NAME) and use gateway_key = true instead, or make sure that a proxy in front sets it",
    )


def _callers_told_apart_by_default(settings: Settings) -> tuple[str, ...]:
    server = settings.server
    limited = {path[2] for path, _ in limit_tables(settings)} if settings.llm.enabled else set()
    if server.client_identification.enabled or not limited:
        return ()
    ways = [
        *(["the name of their gateway key"] if server.keys else []),
        *(["their token's sub"] if server.oauth else []),
    ]
    advice = "set enabled = true there to choose the source, and to refuse callers without an id"
    if not ways:
        brought = any(settings.llm.providers[name].takes_callers_key for name in limited)
        ways = [*(["the vendor key that they bring"] if brought else []), "their address"]
        advice = (
            "callers behind one address share its limits. Issue keys (nexus key new NAME), or set enabled = true there "
            "with a header that your proxy sets"
        )
    return (
        "rate limits per user without [server.client_identification]: callers are told apart by "
        f"{', else by '.join(ways)}; {advice}",
    )


def _keys_without_a_model(settings: Settings) -> tuple[str, ...]:
    names = [f"{name}/{alias}" for name, provider in settings.llm.served.items() for alias in provider.models]
    names += settings.llm.models
    return tuple(
        f"server.keys.{name}.models: {pattern} is not a configured model"
        for name, key in settings.server.keys.items()
        for pattern in key.models or ()
        if names and not any(matches(pattern, model) for model in names)
    )


def _idle_providers(settings: Settings) -> tuple[str, ...]:
    idle = [name for name, provider in settings.llm.served.items() if not provider.models]
    return tuple(f"provider {name} has no models, so it serves nothing" for name in idle)


def _hidden_aliases(settings: Settings) -> tuple[str, ...]:
    return tuple(
        f"llm.models.{name} is also an alias: a call of {name} alone goes to the virtual model, to {', '.join(owners)} "
        "by its full name only"
        for name, owners in hidden_aliases(settings.llm)
    )


_FOR_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_FOR_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def _ignored_environment(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Warns about proxy and CA variables that other programs read from the environment and Nexus does not."""
    calls = [provider for provider in settings.llm.served.values() if provider.type != "echo"]
    ignored = [name for name in _FOR_PROXIES if environ.get(name) and any(one.proxy is None for one in calls)]
    ignored += [name for name in _FOR_AUTHORITIES if environ.get(name) and any(one.ca_file is None for one in calls)]
    if not ignored:
        return ()
    return (f"{', '.join(ignored)}: set, but ignored; use llm.proxy and llm.ca_file",)


def exposure(settings: Settings) -> str | None:
    """The reason why these settings must not be served, or None."""
    server = settings.server
    if server.is_local or server.asks_who_calls or server.open or not settings.llm.enabled:
        return None
    providers = settings.llm.providers.items()
    names = [name for name, provider in providers if provider.models and provider.spends]
    if not names:
        return None
    address = next(address for address in server.listen_address if not address.is_loopback)
    return (
        f"listening on {address} without authentication would let anyone who can reach this port use the "
        f"credentials of {', '.join(names)}: issue keys (nexus key new NAME prints one and its table), or set "
        "server.open = true if a proxy in front authenticates callers"
    )

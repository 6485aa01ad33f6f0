"""Warnings about valid but risky settings, and the check against serving the configured keys to everyone."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from nexus.settings.guards import TlsSettings
from nexus.settings.hints import hints
from nexus.settings.keys import GatewayKey, matching
from nexus.settings.oauth import oauth_warnings
from nexus.settings.root import Settings, limit_tables


def warnings(settings: Settings) -> tuple[str, ...]:
    """Warnings of one sentence each, for the log at start and for ``nexus check``."""
    return (
        *_open_to_the_network(settings),
        *_certificate(settings.server.tls),
        *_expired(settings.server.keys),
        *_callers(settings),
        *oauth_warnings(settings.server.oauth),
        *_models(settings),
        *hints(settings),
        *settings.origin.notes,
        *_ignored_environment(settings, os.environ),
    )


def _open_to_the_network(settings: Settings) -> Iterator[str]:
    server, metrics = settings.server, settings.server.metrics
    is_open = settings.llm.enabled and not server.requires_credential
    for address in server.listen_address if is_open else ():
        if not address.is_loopback:
            yield (
                f"listening on {address} without authentication: anyone who can reach this port can use every "
                "configured key; issue keys (nexus key new NAME), or listen on 127.0.0.1"
            )
    for address in metrics.listen_address or () if metrics.enabled else ():
        if not address.is_loopback:
            yield (
                f"metrics are served on {address} without authentication: anyone who can reach this port sees which "
                "models are used, how much, and what they cost"
            )


RENEWED_BY = 0.1
"""Share of a certificate's lifetime that is left when it should have been renewed."""


def _certificate(tls: TlsSettings | None) -> Iterator[str]:
    """Warns about a server certificate that clients refuse, or soon will. A handshake in memory with a client that
    trusts this certificate finds out, because ssl cannot read one by itself."""
    if tls is None:
        return
    with suppress(OSError):  # Reported as an error elsewhere; a refused certificate is one too.
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        server.load_cert_chain(tls.certificate, tls.key)
        client.load_verify_locations(tls.certificate)
        client.check_hostname, client.verify_flags = False, ssl.VERIFY_X509_PARTIAL_CHAIN
        sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = client.wrap_bio(received, sent)
        for side in (asking, server.wrap_bio(sent, received, server_side=True), asking):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                yield f"server.tls.certificate: clients refuse it: {error.verify_message}"
                return
        shown = asking.getpeercert() or {}
        begins, ends = (ssl.cert_time_to_seconds(str(shown[name])) for name in ("notBefore", "notAfter"))
        if ends - time.time() < RENEWED_BY * (ends - begins):
            yield f"server.tls.certificate expires on {shown['notAfter']}; renew it"


def _expired(keys: Mapping[str, GatewayKey]) -> Iterator[str]:
    for name, key in keys.items():
        if key.expires is not None and key.expires.timestamp() <= time.time():
            yield f"server.keys.{name} has expired: its calls get a 401; renew or remove it"


def _callers(settings: Settings) -> Iterator[str]:
    """Warnings about how callers are identified."""
    server, identification = settings.server, settings.server.client_identification
    source = identification.client_id
    if identification.enabled and source is not None and source.http_header is not None:
        yield (
            f"client ids are taken from the header {source.http_header}, which any caller can forge: issue keys (nexus "
            "key new NAME) and use gateway_key = true instead, or make sure that a proxy in front sets it"
        )
    limited = {path[2] for path, _ in limit_tables(settings)} if settings.llm.enabled else set()
    if identification.enabled or not limited:
        return
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
    yield (
        "rate limits per user without [server.client_identification]: callers are identified by "
        f"{', else by '.join(ways)}; {advice}"
    )


def _models(settings: Settings) -> Iterator[str]:
    """About names without a model, providers without one, and aliases that a virtual model hides."""
    served, virtual = settings.llm.served, settings.llm.models
    models = (f"{name}/{alias}" for name, provider in served.items() for alias in provider.models)
    names = sorted([*models, *virtual])
    for name, key in settings.server.keys.items() if names else ():
        for pattern in key.models or ():
            if next(matching(pattern, names), None) is None:
                yield f"server.keys.{name}.models: {pattern} is not a configured model"
    for name, provider in served.items():
        if not provider.models:
            yield f"provider {name} has no models, so it serves nothing"
    for name in virtual:
        if owners := [f"{provider}/{name}" for provider, table in served.items() if name in table.models]:
            yield (
                f"llm.models.{name} is also an alias: a call of {name} alone goes to the virtual model, to "
                f"{', '.join(owners)} by its full name only"
            )


_FOR_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_FOR_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def _ignored_environment(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Warns about proxy and CA variables that other programs read from the environment and Nexus does not."""
    calls = [provider for provider in settings.llm.served.values() if provider.type != "echo"]
    ignored = [name for name in _FOR_PROXIES if environ.get(name) and any(one.proxy is None for one in calls)]
    ignored += [name for name in _FOR_AUTHORITIES if environ.get(name) and any(one.ca_file is None for one in calls)]
    if ignored:
        yield f"{', '.join(ignored)}: set, but ignored; use llm.proxy and llm.ca_file"


def exposure(settings: Settings) -> str | None:
    """The reason why these settings must not be served, or None."""
    server = settings.server
    if server.is_local or server.requires_credential or server.open or not settings.llm.enabled:
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

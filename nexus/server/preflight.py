"""What would keep settings that are valid from being served on this machine: packages, files, certificates, ports.

``check`` and serving ask here alone, so that what the one accepts the other starts. Nothing is changed by asking.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Iterator

from nexus.accounting.state import problem_of
from nexus.auth.jwks import MissingPyJwt, require_pyjwt
from nexus.server.listeners import listen
from nexus.server.listening import CannotListen, TlsError, tls_context
from nexus.settings import Settings
from nexus.settings.leaves import named_files
from nexus.settings.listen import ListenAddress, url_of
from nexus.settings.types import Location

_PROBE = 2.0
"""Seconds that another Nexus gets to say that it is one."""


def problems(settings: Settings, *, beside: bool = False) -> list[Location]:
    """Everything that has to be mended first; ``beside`` a Nexus that runs, its ports need not be free."""
    ports = () if beside else _ports(settings)
    return [
        *_packages(settings),
        *_files(settings),
        *_certificate(settings),
        *_usage(settings),
        *ports,
    ]


def served_at(settings: Settings) -> str | None:
    """The URL of the Nexus that listens at an address of these settings; a check beside it does not mind it."""
    addresses = (one for one in settings.server.listen_address if isinstance(one, ListenAddress) and one.port)
    found = next((address for address in addresses if answers_as_nexus(settings, address)), None)
    return None if found is None else url_of(found, settings.server.scheme)


def _packages(settings: Settings) -> Iterator[Location]:
    if settings.server.oauth is not None:
        try:
            require_pyjwt()
        except MissingPyJwt as error:
            yield ("server", "oauth"), str(error).removeprefix("[server.oauth] ")


def _files(settings: Settings) -> Iterator[Location]:
    for path, file in named_files(settings):
        if not os.access(file, os.R_OK):
            yield path, "names a file that this user cannot read"


def _certificate(settings: Settings) -> Iterator[Location]:
    if settings.server.tls is not None:
        try:
            tls_context(settings.server.tls)
        except TlsError as error:
            yield ("server", "tls", "certificate"), str(error)


def _usage(settings: Settings) -> Iterator[Location]:
    if (problem := problem_of(settings)) is not None:
        yield ("usage", "store"), problem


def _ports(settings: Settings) -> Iterator[Location]:
    """Listens as serving would, and lets go at once."""
    try:
        listen(settings.server).close()
    except CannotListen as error:
        yield error.path, str(error)


def answers_as_nexus(settings: Settings, address: ListenAddress) -> bool:
    """Whether a Nexus listens there."""
    host, port = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE)
    if settings.server.tls is not None:
        # Nothing is sent that could be stolen: only the name of the server is read.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_PROBE, context=context)
    try:
        connection.request("HEAD", "/")
        return connection.getresponse().headers.get("Server") == "nexus"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

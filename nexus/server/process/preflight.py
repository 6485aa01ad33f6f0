"""Checks what could prevent valid settings from being served on this machine: packages, files, certificates, ports.

Both ``nexus check`` and a start use only these checks, so that they accept the same settings. Checking changes nothing.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable, Iterator
from functools import partial

from nexus.accounting.state import check_store
from nexus.auth.jwks import require_pyjwt
from nexus.server.clients import missing_key
from nexus.server.sockets.listeners import listen
from nexus.server.sockets.listening import tls_context
from nexus.settings import Settings
from nexus.settings.leaves import named_files
from nexus.settings.listen import ListenAddress, url_of
from nexus.settings.problems import CannotServe
from nexus.settings.types import Location

_PROBE = 2.0
"""Timeout in seconds for recognizing another Nexus at a port."""


def problems(settings: Settings, *, running: bool = False) -> list[Location]:
    """Returns all problems that must be fixed first. ``running``: a Nexus already runs, so ports need not be free."""
    return [*_files(settings), *(one for check in _checks(settings, running=running) for one in _problem(check))]


def served_at(settings: Settings, path: str = "") -> str | None:
    """Returns the URL of the Nexus that listens at an address of these settings and has this path, or None."""
    addresses = (one for one in settings.server.listen_address if isinstance(one, ListenAddress) and one.port)
    found = next((address for address in addresses if answers_as_nexus(settings, address, path)), None)
    return None if found is None else url_of(found, settings.server.scheme)


def _checks(settings: Settings, *, running: bool) -> Iterator[Callable[[], object]]:
    """Functions that raise CannotServe."""
    own = settings.server
    if own.oauth is not None:
        yield require_pyjwt
    if own.tls is not None:
        yield partial(tls_context, own.tls)
    yield partial(check_store, settings)
    if not running:
        # Binds the addresses as serving would, and releases them at once.
        yield lambda: listen(own).close()


def _problem(check: Callable[[], object]) -> Iterator[Location]:
    try:
        check()
    except CannotServe as error:
        yield error.path, error.message


def _files(settings: Settings) -> Iterator[Location]:
    for path, file in named_files(settings):
        if not os.access(file, os.R_OK):
            yield path, "names a file that this user cannot read"


def answers_as_nexus(settings: Settings, address: ListenAddress, path: str = "") -> bool:
    """Whether a Nexus listens at the address and, unless ``path`` is empty, has this path and requires a key only if
    these settings do. Blocks for up to a few seconds."""
    host, port = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE)
    if settings.server.tls is not None:
        # No verification: no secret is sent, and only the status and the Server header are read.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_PROBE, context=context)
    try:
        connection.request("HEAD", path or "/")
        reply = connection.getresponse()
        others = (404,) if missing_key(settings) else (404, 401)
        return reply.headers.get("Server") == "nexus" and not (path and reply.status in others)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

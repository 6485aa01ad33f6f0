"""Recognizes a Nexus that already listens at an address of these settings."""

from __future__ import annotations

import http.client
import ssl

from nexus.server.clients import missing_key
from nexus.settings import Settings
from nexus.settings.listen import ListenAddress, url_of

_PROBE = 2.0
"""Timeout in seconds of one attempt."""


def served_at(settings: Settings, path: str = "") -> str | None:
    """Returns the URL of the Nexus that listens at an address of these settings and has this path, or None."""
    addresses = (one for one in settings.server.listen_address if isinstance(one, ListenAddress) and one.port)
    found = next((address for address in addresses if answers_as_nexus(settings, address, path)), None)
    return None if found is None else url_of(found, settings.server.scheme)


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

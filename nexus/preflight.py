"""What would keep settings that are valid from being served on this machine: packages, files, certificates, ports.

Law: ``check`` and serving ask here alone, so that what the one accepts the other starts. Nothing is changed by asking.
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nexus.auth.jwks import MissingPyJwt, require_pyjwt
from nexus.server.tls import TlsError, tls_context
from nexus.settings import Settings
from nexus.settings.types import Place

LISTEN = ("server", "listen_address")

_PROBE = 2.0
"""Seconds that another Nexus gets to say that it is one."""


def problems(settings: Settings) -> list[Place]:
    """Everything that has to be mended first."""
    return [*_packages(settings), *_files(settings, ()), *_certificate(settings), *_ports(settings)]


def is_served_by_nexus(settings: Settings) -> bool:
    """Whether what listens at an address of these settings is a Nexus, which a check beside it does not mind."""
    return any(_answers_as_nexus(settings, host, port) for host, port in _addresses(settings))


def _packages(settings: Settings) -> Iterator[Place]:
    if settings.server.oauth is not None:
        try:
            require_pyjwt()
        except MissingPyJwt as error:
            yield ("server", "oauth"), str(error).removeprefix("[server.oauth] ")


def _files(value: object, path: tuple[str | int, ...]) -> Iterator[Place]:
    match value:
        case Path() if not os.access(value, os.R_OK):
            yield path, "names a file that this user may not read"
        case BaseModel():
            for name in type(value).model_fields:
                yield from _files(getattr(value, name), (*path, name))
        case dict():
            for name, item in value.items():
                yield from _files(item, (*path, name))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _files(item, (*path, index))


def _certificate(settings: Settings) -> Iterator[Place]:
    if settings.server.tls is not None:
        try:
            tls_context(settings.server.tls)
        except TlsError as error:
            yield ("server", "tls", "certificate"), str(error)


def _addresses(settings: Settings) -> Iterator[tuple[str, int]]:
    """Those with a port of their own; port 0 takes any that is free."""
    found: Any = settings.server.listen_address
    for address in found if isinstance(found, tuple) else (found,):
        if getattr(address, "port", 0):
            yield address.host, address.port


def _ports(settings: Settings) -> Iterator[Place]:
    for host, port in _addresses(settings):
        try:
            _try(host, port)
        except OSError as error:
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            yield LISTEN, f"cannot listen on {shown}: {_reason(error)}"


def _try(host: str, port: int) -> None:
    """Binds as a server would, and lets go at once. Raises OSError."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as sock:
            if os.name != "nt":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(1)


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use"
        case errno.EACCES:
            return "the port is privileged; take one above 1023"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return (error.strerror or str(error)).lower()


def _answers_as_nexus(settings: Settings, host: str, port: int) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
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

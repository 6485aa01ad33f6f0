"""TLS contexts for calls to vendors: certificate authorities, and the client certificate.

The authorities are those of the operating system: on Linux OpenSSL's configured ones (``SSL_CERT_FILE`` and
``SSL_CERT_DIR`` override them, as everywhere), on macOS and Windows the system's own store, through ``truststore``. A
Linux image without any gets certifi's. ``truststore`` is not used on Linux: it would read the store again for every
connection, and make handshakes wait for each other.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import sys
from pathlib import Path
from typing import Any

import certifi

from nexus.dataclasses import dataclass
from nexus.late import pattern

_BUNDLES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where distributions keep their bundle, for a Python whose OpenSSL looks elsewhere."""

_HASHED = pattern(r"[0-9a-f]{8}\.\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trust:
    """Authorities and client certificate. ``ca_file`` replaces the authorities; ``cert`` and ``key`` are PEM files.

    ``stamps`` identify the version of the files, so that replaced files get a new context.
    """

    ca_file: str | None = None
    cert: str | None = None
    key: str | None = None
    stamps: tuple[object, ...] = ()


class _ConnectedSSLSocket(ssl.SSLSocket):
    """Wraps connected sockets only.

    The standard class takes a socket that was just shut down for one that will connect later, and skips the handshake;
    the code that then asks it for a certificate fails and leaves it open.
    """

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionAbortedError("shut down before the handshake") from error


@functools.lru_cache(maxsize=64)
def tls_context(trust: Trust) -> ssl.SSLContext:
    """A context that verifies hosts; cached per ``trust``, because reading the authorities is slow."""
    context = _verifying(trust.ca_file)
    if trust.cert is not None:
        context.load_cert_chain(trust.cert, trust.key)
    return context


def _verifying(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None and sys.platform in ("darwin", "win32"):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context(cafile=ca_file or system_bundle())
    context.sslsocket_class = _ConnectedSSLSocket
    return context


def system_bundle() -> str | None:
    """The file of authorities to read on Linux; None if OpenSSL's default locations have them."""
    defaults = ssl.get_default_verify_paths()
    if defaults.cafile or (defaults.capath and _holds_certificates(Path(defaults.capath))):
        return None
    return next((file for file in _BUNDLES if os.path.isfile(file)), certifi.where())


def authorities_from_environment() -> tuple[str, ...]:
    """The environment variables that replace the system's authorities."""
    return tuple(name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))


def _holds_certificates(folder: Path) -> bool:
    try:
        return any(_HASHED.fullmatch(file.name) for file in folder.iterdir())
    except OSError:
        return False

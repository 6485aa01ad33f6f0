"""What the listening socket needs for HTTPS.

Knows no Tornado, so that a certificate can be tried without a server.
"""

from __future__ import annotations

import ssl

from nexus.settings.guards import TlsSettings


class TlsError(Exception):
    """The certificate and its key cannot be used; the text is safe to show."""


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """What the listening socket needs for HTTPS. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A password given here keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise TlsError(f"the TLS certificate and key cannot be used: {_reason(error)}") from error
    return context


def _reason(error: Exception) -> str:
    match error:
        case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
            return "the key is not that of the certificate"
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case OSError(strerror=str(text)):
            return text.lower()
        case _:
            return "one of the files is not PEM, or the key is encrypted"

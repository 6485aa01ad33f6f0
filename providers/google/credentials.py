"""Access tokens from Google, through google-auth.

Imported only by providers of Vertex AI, so that other providers do not load google-auth. Takes nothing from the
environment except Application Default Credentials, and those only if no file is configured. Error messages contain
nothing from a token endpoint's answer except the OAuth error code.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError

from nexus.errors import Unreachable, UpstreamError, UpstreamTimeout
from nexus.late import pattern
from nexus.providers.google.auth_transport import AuthTransport, TimedOut, TransportFailed, open_session
from nexus.providers.google.credential_sources import load
from nexus.renewal import PHASE, Grant
from nexus.upstream.network_errors import causes_of

LIMIT = 20.0
"""Seconds for all exchanges of one token; google-auth retries some."""

_CODE = pattern(r"[a-z_]{1,40}")


class TokenSource:
    """One identity. ``fetch`` is called by one thread at a time."""

    def __init__(
        self,
        provider: str,
        file: Path | None,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        limit: float = LIMIT,
    ) -> None:
        self._provider = provider
        self._file = file
        self._limit = limit
        self._credentials: Any = None
        self._session = open_session(proxy, ca_file)

    def fetch(self) -> Grant[Mapping[str, str]]:
        """Fetches a token, as request headers. Raises UpstreamError."""
        transport = AuthTransport(self._session, time.monotonic() + self._limit)
        try:
            if self._credentials is None:
                self._credentials = load(self._file, transport)
            self._credentials.refresh(transport)
        except (GoogleAuthError, OSError, ValueError, TypeError, LookupError) as error:
            # google-auth's exceptions may contain an endpoint's whole answer.
            failure = self._failure(error)
            failed = next((str(cause) for cause in causes_of(error) if isinstance(cause, TransportFailed)), "")
            raise failure.at(PHASE, failed or failure.message.partition(": ")[2]) from None
        if not self._credentials.token:
            raise UpstreamError(f"{self._provider}: the access token is empty", provider=self._provider)
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        expiry = self._credentials.expiry
        expires = expiry.replace(tzinfo=UTC).timestamp() if expiry is not None else float("inf")
        return Grant(headers, expires=expires, fetched=time.time())

    def close(self) -> None:
        self._session.close()

    def _failure(self, error: Exception) -> UpstreamError:
        name = self._provider
        causes = list(causes_of(error))
        if any(isinstance(cause, TimedOut) for cause in causes):
            return UpstreamTimeout(f"{name}: no access token from Google in time", provider=name, retryable=True)
        if any(isinstance(cause, TransportError) for cause in causes):
            return Unreachable(f"{name}: cannot reach the server that issues access tokens", provider=name)
        match error:
            case RefreshError() if error.retryable:
                text = f"{name}: Google cannot issue access tokens now"
                return UpstreamError(text, provider=name, retryable=True)
            case RefreshError():
                words = f"Google rejected the credentials{_code(error)}"
            case DefaultCredentialsError() if self._file is None:
                words = "no Application Default Credentials found; set credentials to the path of a file"
            case _:
                words = "the credentials cannot be used"
        return UpstreamError(f"{name}: {words}", provider=name)


def _code(error: RefreshError) -> str:
    answer = next((arg for arg in error.args if isinstance(arg, Mapping)), {})
    code = answer.get("error")
    return f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""

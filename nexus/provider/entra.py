"""Access tokens from Microsoft Entra ID: for an application, or for a managed identity.

Takes nothing from the environment except the platform's endpoint for managed identities, never follows redirects, and
limits the size of an answer. Error messages contain nothing from an endpoint's answer except its error code.

Uses plain requests: ``azure-identity`` and its dependencies are 27 MB (2026-11) for these three flows. Source:
learn.microsoft.com, "OAuth 2.0 client credentials flow", "Azure Instance Metadata Service", "Managed identities for App
Service: connect in code".
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import requests
from pydantic import SecretStr

from nexus.errors import Unreachable, UpstreamError, UpstreamTimeout
from nexus.late import pattern
from nexus.renewal import PHASE, Grant
from nexus.settings.auth_scheme import BearerToken
from nexus.settings.entra import EntraSettings
from nexus.wire import Json, decode_object

STEP = 10.0
"""Timeout for the exchange in seconds."""

_LARGEST = 1024 * 1024
_METADATA = "http://169.254.169.254"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CODE = pattern(r"[a-z_]{1,40}")


class Entra:
    """One identity. ``fetch`` is called by one thread at a time."""

    def __init__(
        self, provider: str, settings: EntraSettings, *, proxy: str | None = None, ca_file: str | None = None
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_file or True

    def fetch(self) -> Grant[SecretStr]:
        """Fetches a token. Raises UpstreamError."""
        status, answer = self._application() if self._settings.is_application else self._managed()
        token, now = answer.get("access_token"), time.time()
        if status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise self._refused(status, answer)
        return Grant(BearerToken(token), expires=_end(answer, now), fetched=now)

    def close(self) -> None:
        self._session.close()

    def _application(self) -> tuple[int, Mapping[str, Json]]:
        settings = self._settings
        form = {"grant_type": "client_credentials", "client_id": settings.client_id or "", "scope": settings.scope}
        if settings.client_secret is not None:
            form["client_secret"] = settings.client_secret.get_secret_value()
        else:
            try:
                token = Path(settings.token_file or "").read_text("utf-8-sig").strip()
            except (OSError, ValueError):
                raise self._error("token_file cannot be read") from None
            form |= {"client_assertion_type": _ASSERTION, "client_assertion": token}
        url = f"{settings.authority}/{settings.tenant_id}/oauth2/v2.0/token"
        return self._ask(url, form=form, proxies=self._proxies)

    def _managed(self) -> tuple[int, Mapping[str, Json]]:
        """App Service and similar platforms set their own endpoint; a virtual machine has the metadata service."""
        query = {"resource": self._settings.scope.removesuffix("/.default")}
        if self._settings.client_id is not None:
            query["client_id"] = self._settings.client_id
        endpoint, secret = os.environ.get("IDENTITY_ENDPOINT"), os.environ.get("IDENTITY_HEADER")
        if endpoint and secret:
            query["api-version"], headers = "2019-08-01", {"x-identity-header": secret}
        else:
            host = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _METADATA
            endpoint = f"{host.rstrip('/')}/metadata/identity/oauth2/token"
            query["api-version"], headers = "2018-02-01", {"metadata": "true"}
        # The platform's own endpoint is local to the machine, so no proxy can reach it.
        return self._ask(endpoint, query=query, headers=headers)

    def _ask(
        self,
        url: str,
        *,
        form: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> tuple[int, Mapping[str, Json]]:
        try:
            with self._session.request(
                "GET" if form is None else "POST",
                url,
                params=query,
                data=form,
                headers=headers,
                proxies=proxies,
                timeout=STEP,
                allow_redirects=False,
                stream=True,
            ) as response:
                return response.status_code, decode_object(self._read(response))
        except requests.Timeout:
            raise self._error("no access token in time", UpstreamTimeout, retryable=True) from None
        except (requests.RequestException, ValueError, OSError):
            words = "cannot reach the server that issues access tokens"
            raise self._error(words, Unreachable, retryable=True) from None

    def _read(self, response: requests.Response) -> bytes:
        data, deadline = b"", time.monotonic() + STEP
        for piece in response.iter_content(4096):
            data += piece
            if len(data) > _LARGEST or time.monotonic() > deadline:
                raise requests.Timeout
        return data

    def _refused(self, status: int, answer: Mapping[str, Json]) -> UpstreamError:
        code = answer.get("error")
        reason = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
        if status == 429 or status >= 500:
            return self._error(f"Entra ID cannot issue access tokens now: status {status}{reason}", retryable=True)
        if not self._settings.is_application and status in (400, 404):
            return self._error(f"this machine has no such managed identity: status {status}{reason}")
        return self._error(f"Entra ID rejected the credentials: status {status}{reason}")

    def _error(
        self, words: str, kind: type[UpstreamError] = UpstreamError, *, retryable: bool = False
    ) -> UpstreamError:
        error = kind(f"{self._provider}: {words}", provider=self._provider, retryable=retryable)
        return error.at(PHASE, words)


def _end(answer: Mapping[str, Json], now: float) -> float:
    """Expiry in seconds since the epoch; numbers may be strings."""
    for name, since in (("expires_in", now), ("expires_on", 0.0)):
        try:
            seconds = float(str(answer.get(name)))
        except ValueError:
            continue
        if 0 < seconds < 1e11:
            return since + seconds
    return now + 300.0

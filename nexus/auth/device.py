"""Login by device authorization (RFC 8628): the user confirms a code in a browser, on any machine.

Talks only to the identity provider, with bounds on time and size. Of its responses, only OAuth error codes appear in
messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from nexus import __version__, wire
from nexus.auth.issuer import Metadata, metadata_url, read_metadata
from nexus.dataclasses import dataclass, field
from nexus.late import pattern
from nexus.settings.oauth import LoginSettings
from nexus.upstream.network_errors import cause_of
from nexus.wire import Json, count, text

STEP = 15.0
"""Timeout in seconds of one exchange."""
LARGEST = 512 * 1024
LONGEST_WAIT = 30 * 60.0
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_CODE = pattern(r"[a-z_]{1,40}")
_SLOWER = 5.0
"""Seconds that ``slow_down`` adds to the polling interval (RFC 8628, section 3.5)."""
_UNREACHABLE = "unreachable"
_KEEP_POLLING = ("authorization_pending", "slow_down", _UNREACHABLE)
SOON = 60.0
"""Minimum remaining validity of a token in seconds."""


class LoginFailed(Exception):
    """There is no token; the message is for users. ``code`` is the OAuth error code, or ""."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Issued:
    """A token for the gateway. ``expires`` is in Unix seconds; ``refresh`` is the refresh token, or ""."""

    token: str = field(repr=False)
    expires: float
    refresh: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to show the user; ``url`` contains the code if the issuer supports that. ``expires`` is in seconds."""

    url: str
    code: str
    expires: float


class IdentityProvider:
    """A client of one issuer; ``close`` it after use."""

    def __init__(
        self, issuer: str, login: LoginSettings, *, hosts: tuple[str, ...] = (), ca_file: str | None = None
    ) -> None:
        self._issuer, self._login, self._hosts = issuer, login, hosts
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_file or True
        self._session.headers = {"accept": "application/json", "user-agent": f"nexus/{__version__}"}
        self._metadata: Metadata | None = None

    def close(self) -> None:
        self._session.close()

    def refreshed(self, token: str) -> Issued:
        """A new token for a refresh token. Raises LoginFailed."""
        return self._issued(self._request_token({"grant_type": "refresh_token", "refresh_token": token}), token)

    def login(
        self,
        show: Callable[[Prompt], None],
        *,
        wait: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Issued:
        """Logs a user in; blocks until the user confirms, denies, or the code expires. Raises LoginFailed."""
        metadata = self._discovered()
        if not metadata.device:
            raise LoginFailed("the issuer does not support device login (no device_authorization_endpoint)")
        reply = self._document(self._post(metadata.device, self._device_form()))
        device, url = text(reply.get("device_code")), text(reply.get("verification_uri"))
        if not device or not url:
            raise LoginFailed("the issuer did not start a device login")
        lasts = min(float(count(reply.get("expires_in")) or 600), LONGEST_WAIT)
        pause, ends = max(1.0, min(float(count(reply.get("interval")) or 5), 60.0)), clock() + lasts
        show(Prompt(text(reply.get("verification_uri_complete")) or url, text(reply.get("user_code")), lasts))
        while clock() + pause < ends:
            wait(pause)
            try:
                return self._issued(self._request_token({"grant_type": GRANT, "device_code": device}))
            except LoginFailed as error:
                if error.code not in _KEEP_POLLING:
                    raise
                pause += 0.0 if error.code == "authorization_pending" else _SLOWER
        raise LoginFailed("the login was not confirmed in time", "expired_token")

    def _device_form(self) -> dict[str, str]:
        login = self._login
        return {"scope": " ".join(login.scopes), **({"audience": login.audience} if login.audience else {})}

    def _request_token(self, form: Mapping[str, str]) -> Mapping[str, Json]:
        metadata = self._discovered()
        if not metadata.token:
            raise LoginFailed("the issuer has no token_endpoint")
        return self._document(self._post(metadata.token, form))

    def _discovered(self) -> Metadata:
        if self._metadata is None:
            status, body = self._exchange("GET", metadata_url(self._issuer))
            if status != 200:
                raise LoginFailed(f"the issuer answered {status} instead of its discovery document")
            try:
                self._metadata = read_metadata(wire.decode_object(body), self._issuer, self._hosts)
            except ValueError as error:
                raise LoginFailed(str(error)) from None
        return self._metadata

    def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        secret = self._login.client_secret
        known = {"client_id": self._login.client_id, **({"client_secret": secret.get_secret_value()} if secret else {})}
        return self._exchange("POST", url, {**known, **form})

    def _exchange(self, method: str, url: str, form: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        ends = time.monotonic() + STEP
        try:
            with self._session.request(
                method, url, data=form, timeout=STEP, allow_redirects=False, stream=True
            ) as response:
                return response.status_code, self._read(response, ends)
        except requests.RequestException as error:
            raise LoginFailed(f"the issuer cannot be reached: {cause_of(error)}", _UNREACHABLE) from None

    def _read(self, response: requests.Response, ends: float) -> bytes:
        body = b""
        for piece in response.iter_content(4096):
            body += piece
            if len(body) > LARGEST or time.monotonic() > ends:
                raise LoginFailed("the issuer's answer is too large or too slow")
        return body

    def _document(self, answer: tuple[int, bytes]) -> Mapping[str, Json]:
        status, body = answer
        document: dict[str, Any] = wire.decode_object(body)
        if status == 200:
            return document
        code = text(document.get("error"))
        code = code if _CODE.fullmatch(code) else ""
        raise LoginFailed(f"the issuer answered {status}{f', {code}' if code else ''}", code)

    def _issued(self, reply: Mapping[str, Json], refresh: str = "") -> Issued:
        token = text(reply.get(self._login.token))
        if not token or not token.isascii() or not token.isprintable():
            raise LoginFailed(f"the issuer's answer has no {self._login.token}")
        ends = _end_of(token) or time.time() + float(count(reply.get("expires_in")) or 300)
        return Issued(token, ends, text(reply.get("refresh_token")) or refresh)


def _end_of(token: str) -> float | None:
    """The expiry in an unverified JWT, in Unix seconds; None for other tokens."""
    parts = token.split(".")
    claims = wire.unpadded(parts[1]) if len(parts) == 3 else None
    ends = wire.decode_object(claims).get("exp") if claims is not None else None
    return float(ends) if isinstance(ends, int | float) and not isinstance(ends, bool) else None

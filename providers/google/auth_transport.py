"""The HTTP transport of google-auth, with a timeout for each exchange and a deadline for all.

Takes nothing from the environment (no proxy, netrc or CA variable), never follows redirects, and limits the size of an
answer. Errors state their kind, and nothing that was sent or answered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from google.auth import transport
from google.auth.exceptions import TransportError
from urllib3.exceptions import ReadTimeoutError

from nexus.dataclasses import dataclass
from nexus.upstream.network_errors import cause_of

STEP = 10.0
"""Timeout for one exchange in seconds."""

_LARGEST = 1024 * 1024
_METADATA_HOSTS = ("metadata.google.internal", "169.254.169.254")


class TransportFailed(TransportError):
    """An exchange got no answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)  # type: ignore[no-untyped-call]


class TimedOut(TransportFailed):
    """An exchange timed out."""


class AuthTransport(transport.Request):
    """Called by google-auth for every exchange, until ``deadline`` (monotonic seconds)."""

    def __init__(self, session: requests.Session, deadline: float) -> None:
        self._session = session
        self._deadline = deadline
        self._last = "no time is left"
        """The last error; google-auth retries after it."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> TokenAnswer:
        if options.get("cert"):
            raise TransportFailed("client certificates are not supported")
        seconds = min(self._left(), STEP, timeout or STEP)
        try:
            with self._session.request(
                method, url, data=body, headers=headers, timeout=seconds, allow_redirects=False, stream=True
            ) as response:
                return TokenAnswer(response.status_code, response.headers, self._read(response))
        except requests.RequestException as error:
            slow = isinstance(error, requests.Timeout) or any(isinstance(arg, ReadTimeoutError) for arg in error.args)
            self._last = f"{urlsplit(url).hostname}: {cause_of(error)}"
            raise (TimedOut if slow else TransportFailed)(self._last) from error

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(self._last)
        return left

    def _read(self, response: requests.Response) -> bytes:
        data = b""
        for piece in response.iter_content(4096):
            data += piece
            self._left()
            if len(data) > _LARGEST:
                raise TransportFailed("the answer is too long")
        return data


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What google-auth reads of a ``transport.Response``."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def open_session(proxy: str | None, ca_file: str | None) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file or True
    if proxy:
        # The metadata server is link-local, so no proxy can reach it.
        session.proxies = {"http": proxy, "https": proxy} | {f"http://{host}": "" for host in _METADATA_HOSTS}
    return session

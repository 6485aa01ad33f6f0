"""Fetches a JWKS document, after discovering its URL from the issuer if necessary.

Blocks, and so runs only on the thread of ``Renewed``. A fetch has a deadline and a maximum size. Redirects are not
followed; any status but 200 is an error.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, closing

from nexus import __version__, wire
from nexus.auth.issuer import metadata_url, read_metadata
from nexus.auth.jwks import KeySet, read_key_set
from nexus.cancel import Cancel
from nexus.errors import NexusError, ProtocolError, UpstreamTimeout
from nexus.renewal import Grant, Renewed
from nexus.settings.files import trust_of
from nexus.settings.oauth import OAuthSettings
from nexus.settings.types import DAY
from nexus.upstream.request import Timeouts, UpstreamRequest
from nexus.upstream.transport import Transport

log = logging.getLogger("nexus.auth")

NAME = "server.oauth"
DEADLINE = 10.0
LARGEST = 512 * 1024

PAUSE = 10.0
"""Minimum seconds between a fetch and the next that an unknown key id triggers, so that clients cannot cause more."""

RETRY = 30.0
"""Maximum seconds until a failed fetch is retried."""


def open_keys(oauth: OAuthSettings, stack: ExitStack) -> Renewed[KeySet]:
    """The keys that settings name, fetched from now on until ``stack`` closes."""
    source = stack.enter_context(closing(JwksSource(oauth)))
    keys = stack.enter_context(closing(renewed_keys(source, oauth.poll_interval)))
    keys.start()
    return keys


def renewed_keys(source: JwksSource, interval: float, *, pause: float = PAUSE, retry: float = RETRY) -> Renewed[KeySet]:
    """The keys of a source, fetched every ``interval`` seconds; if that fails, the last keys stay in use."""

    def fetch() -> Grant[KeySet]:
        keys = source()
        log.debug("fetched the token signing keys", extra={"fields": {"keys": len(keys.keys), "skipped": keys.skipped}})
        return Grant(keys, expires=float("inf"), fetched=time.monotonic(), refresh=interval)

    return Renewed(
        NAME, fetch, what="token signing keys", least=pause, retry=min(retry, interval), clock=time.monotonic
    )


class JwksSource:
    """Fetches the key set when called. Raises UpstreamError.

    If the settings have an issuer and no URL, it discovers the URL first, and again after a day or a failure.
    """

    def __init__(self, oauth: OAuthSettings, *, deadline: float = DEADLINE) -> None:
        timeouts = Timeouts(connect=deadline / 2, first_byte=deadline, idle=deadline)
        self._transport = Transport(NAME, timeouts, trust=trust_of(oauth.ca_file))
        self._deadline = deadline
        self._oauth = oauth
        self._warned = False
        self._known: tuple[str, float] | None = None
        """The discovered JWKS URL, and the monotonic time until which it is cached."""

    def __call__(self) -> KeySet:
        cancel = Cancel()
        late = UpstreamTimeout(f"{NAME}: no complete answer within {self._deadline:g} s", provider=NAME)
        try:
            with cancel.within(self._deadline, late):
                keys = read_key_set(self._read(self._url(cancel), cancel))
        except ValueError as error:
            self._known = None
            raise ProtocolError(f"{NAME}: {error}", provider=NAME) from None
        except NexusError:
            self._known = None
            raise
        if keys.symmetric and not self._warned:
            self._warned = True
            fields = {"keys": keys.symmetric}
            log.warning(
                "symmetric token signing keys are ignored: whoever reads them can forge tokens",
                extra={"fields": fields},
            )
        return keys

    def _url(self, cancel: Cancel) -> str:
        """The JWKS URL. Raises ValueError."""
        issuer = self._oauth.issuer
        if self._oauth.url is not None or issuer is None:
            return self._oauth.url or ""
        if self._known is None or time.monotonic() >= self._known[1]:
            document = wire.decode_object(self._read(metadata_url(issuer), cancel))
            self._known = read_metadata(document, issuer, self._oauth.hosts).jwks, time.monotonic() + DAY
        return self._known[0]

    def _read(self, url: str, cancel: Cancel) -> bytes:
        headers = {"accept": "application/jwk-set+json, application/json", "user-agent": f"nexus/{__version__}"}
        request = UpstreamRequest(url, {**headers, "connection": "close"}, b"", "GET")
        with self._transport.send(request, cancel) as reply:
            if reply.status != 200:
                raise ValueError(f"the server answered {reply.status}")
            body = reply.whole(LARGEST)
        if body is None:
            raise ValueError(f"the document is larger than {LARGEST} bytes")
        return body

    def close(self) -> None:
        self._transport.close()

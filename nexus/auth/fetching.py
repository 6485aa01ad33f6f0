"""Fetches a JWKS document.

It blocks, on the thread of ``Renewed`` only. Whatever the server does, it ends within a deadline and a bounded
size; a redirect is an answer like any other, and nothing but a 200 is believed.
"""

from __future__ import annotations

import logging
import threading
import time

from nexus import __version__
from nexus.auth.jwks import KeySet, read_key_set
from nexus.cancel import Cancel
from nexus.errors import ProtocolError, UpstreamTimeout
from nexus.renewal import Grant, Renewed
from nexus.settings.oauth import OAuthSettings
from nexus.upstream.request import Timeouts, UpstreamRequest
from nexus.upstream.tls import Trust
from nexus.upstream.transport import Transport

log = logging.getLogger("nexus.auth")

NAME = "server.oauth"
DEADLINE = 10.0
LARGEST = 512 * 1024

PAUSE = 10.0
"""Shortest time from the end of a fetch to one that an unknown key asks for, so that strangers cause no more."""

RETRY = 30.0
"""Longest time until a failed fetch is repeated."""


def renewed_keys(source: JwksSource, interval: float, *, pause: float = PAUSE, retry: float = RETRY) -> Renewed[KeySet]:
    """The keys behind one address, fetched every ``interval`` seconds; the last good ones stay where that fails."""

    def fetch() -> Grant[KeySet]:
        keys = source()
        fields = {"keys": len(keys.keys), "skipped": keys.skipped, "symmetric": keys.has_secret}
        log.debug("the keys for tokens were fetched", extra={"fields": fields})
        return Grant(keys, expires=float("inf"), fetched=time.monotonic(), refresh=interval)

    return Renewed(NAME, fetch, what="keys for tokens", least=pause, retry=min(retry, interval), clock=time.monotonic)


class JwksSource:
    """The document behind one address; calling it fetches. Raises UpstreamError."""

    def __init__(self, oauth: OAuthSettings, *, deadline: float = DEADLINE) -> None:
        timeouts = Timeouts(connect=deadline / 2, first_byte=deadline, idle=deadline)
        self._transport = Transport(NAME, timeouts, trust=Trust.of(oauth.ca_file))
        self._deadline = deadline
        headers = {"accept": "application/jwk-set+json, application/json", "user-agent": f"nexus/{__version__}"}
        self._request = UpstreamRequest(
            url=oauth.url, headers={**headers, "connection": "close"}, body=b"", method="GET"
        )

    def __call__(self) -> KeySet:
        cancel = Cancel()
        late = UpstreamTimeout(f"{NAME}: no whole answer within {self._deadline:g} s", provider=NAME)
        # Timeouts of a socket count silence: a server that drips a byte at a time would never be late.
        timer = threading.Timer(self._deadline, cancel.throw, [late])
        timer.daemon = True
        timer.start()
        try:
            return read_key_set(self._read(cancel))
        except ValueError as error:
            raise ProtocolError(f"{NAME}: {error}", provider=NAME) from None
        finally:
            timer.cancel()

    def _read(self, cancel: Cancel) -> bytes:
        with self._transport.send(self._request, cancel) as reply:
            if reply.status != 200:
                raise ValueError(f"the server answered {reply.status}")
            pieces: list[bytes] = []
            size = 0
            while piece := reply.read():
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST:
                    raise ValueError(f"the document is larger than {LARGEST} bytes")
            return b"".join(pieces)

    def close(self) -> None:
        self._transport.close()

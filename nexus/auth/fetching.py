"""Fetches a JWKS document.

Law: blocks, on the refresher's thread only. Whatever the server does, it ends within the deadline and within a bounded
size; redirects are answers like any other, and nothing but a 200 is believed.
"""

from __future__ import annotations

import threading

from nexus import __version__
from nexus.auth.jwks import KeySet, read_key_set
from nexus.cancel import Cancel
from nexus.errors import UpstreamTimeout
from nexus.settings.oauth import OAuthSettings
from nexus.upstream.request import UpstreamRequest
from nexus.upstream.tls import Trust
from nexus.upstream.transport import Timeouts, Transport

NAME = "server.oauth"
DEADLINE = 10.0
LARGEST = 512 * 1024


class JwksSource:
    """The document behind one address; calling it fetches. Raises UpstreamError or ValueError."""

    def __init__(self, oauth: OAuthSettings, *, deadline: float = DEADLINE) -> None:
        timeouts = Timeouts(connect=deadline / 2, first_byte=deadline, idle=deadline)
        self._transport = Transport(NAME, timeouts, trust=Trust(str(oauth.ca_file) if oauth.ca_file else None))
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

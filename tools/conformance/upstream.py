"""Our own upstream: Anthropic's Messages API on a socket, which records what arrives, byte for byte.

It checks path, method, version and credential headers, and media type as strictly as Anthropic's API; it only records
bodies, which the rules judge. A behaviour applies until it is changed, so that a gateway which retries gets the same
answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from tools.fake_upstream import Behaviour, FakeUpstream, SeenRequest


class CannotListen(Exception):
    """The address is in use or not available on this machine."""


class Upstream:
    """Use as a context manager. Raises CannotListen."""

    def __init__(self, host: str, port: int) -> None:
        self._address = f"{host}:{port}"
        self._fake = FakeUpstream("anthropic", host=host, port=port, strict=False)

    def __enter__(self) -> Self:
        try:
            self._fake.start()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {self._address}: {os.strerror(error.errno) if error.errno else error}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._fake.stop()

    @property
    def url(self) -> str:
        return self._fake.origin

    @contextmanager
    def answering(self, behaviour: Behaviour) -> Iterator[None]:
        """Answers every request with ``behaviour`` inside the block."""
        self._fake.default = behaviour
        try:
            yield
        finally:
            self._fake.default = Behaviour()

    def arrived(self, mark: str) -> SeenRequest | None:
        """The last request whose body contains ``mark``, or None."""
        found = [request for request in list(self._fake.requests) if mark.encode() in request.body]
        return found[-1] if found else None

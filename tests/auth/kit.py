"""An identity provider on a real socket, its keys, tokens of every kind, and the relevant tables of [server].

The server sends exactly what the test specifies. Nothing is patched, and no test sleeps.
"""

from __future__ import annotations

import functools
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from nexus.auth.credentials import HeaderLines
from nexus.auth.jwks import KeySet
from nexus.errors import UpstreamError
from nexus.renewal import Grant, Renewed
from nexus.settings.server import ServerSettings
from tests.peers import Peer, read_request
from tests.serving import ALICE as ALICE
from tests.serving import BOB as BOB
from tests.serving import wait_until

jwt = pytest.importorskip("jwt", reason="PyJWT is not installed: pip install 'nexus-llm-router[oauth]'")

HARD_LIMIT = 20.0


def tables(**keys: Any) -> ServerSettings:
    return ServerSettings.model_validate(keys)


def lines(headers: Mapping[str, str | list[str]]) -> HeaderLines:
    return {name.lower(): value if isinstance(value, list) else [value] for name, value in headers.items()}


def bearer(token: str) -> HeaderLines:
    return lines({"Authorization": f"Bearer {token}"})


# -- keys and tokens -----------------------------------------------------------------------------------------------


@functools.cache
def rsa_key(name: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One cached key per name, because generating a key is slow."""
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(name: str = "") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def ed_key(name: str = "") -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


_ALGORITHMS = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256", ed25519.Ed25519PrivateKey: "EdDSA"}


def algorithm_of(key: Any) -> str:
    return next((name for kind, name in _ALGORITHMS.items() if isinstance(key, kind)), "HS256")


def jwk(key: Any, kid: str | None = "one", **more: Any) -> dict[str, Any]:
    """The public key, as an identity provider publishes it."""
    public = key if isinstance(key, bytes) else key.public_key()
    algorithm = jwt.get_algorithm_by_name(algorithm_of(key))
    entry: dict[str, Any] = json.loads(algorithm.to_jwk(public))
    entry.pop("key_ops", None)
    return {**entry, **({"kid": kid} if kid is not None else {}), **more}


def jwks(*entries: Any) -> bytes:
    return json.dumps({"keys": list(entries)}).encode()


def token(
    key: Any,
    kid: str | None = "one",
    *,
    ends: float = 7200.0,
    begins: float | None = None,
    head: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A token that expires in ``ends`` seconds, and begins in ``begins``; claims of None are left out."""
    algorithm = (head or {}).get("alg") or algorithm_of(key)
    now = time.time()
    times = {"exp": int(now + ends), "nbf": None if begins is None else int(now + begins)}
    body = {"sub": "alice", **times, **claims}
    body = {name: value for name, value in body.items() if value is not None}
    header = {**({"kid": kid} if kid is not None else {}), **(head or {})}
    made: str = jwt.encode(body, key, algorithm=algorithm, headers=header)
    return made


# -- the identity provider -----------------------------------------------------------------------------------------

Behaviour = Callable[[socket.socket, "IdentityProvider"], None]


def answer(body: bytes, status: str = "200 OK", more: str = "") -> Behaviour:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode()
    return lambda sock, provider: sock.sendall(head + body)


def stall(sock: socket.socket, provider: IdentityProvider) -> None:
    """Reads the request and never answers."""
    provider.stopped.wait(HARD_LIMIT)


def drip(sock: socket.socket, provider: IdentityProvider) -> None:
    """Sends one byte at a time, so that a timeout between bytes never fires."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with suppress(OSError):
        while not provider.stopped.wait(0.01):
            sock.sendall(b"a")


def endless(sock: socket.socket, provider: IdentityProvider) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b'{"keys": [')
    with suppress(OSError):
        while not provider.stopped.is_set():
            sock.sendall(b" " * 65536)


def hang_up(sock: socket.socket, provider: IdentityProvider) -> None:
    return


class IdentityProvider(Peer):
    """Answers each connection once, with the current ``behaviour``."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(self._answer)
        self.behaviour = behaviour
        self.stopped = threading.Event()
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def wait_for(self, count: int) -> None:
        """Waits until ``count`` requests have arrived."""
        wait_until(lambda: self.asked >= count, HARD_LIMIT)

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        super().__exit__()

    def _answer(self, sock: socket.socket) -> None:
        if read_request(sock):
            self.asked += 1
            self.behaviour(sock, self)


class Still(Renewed[KeySet]):
    """Holds fixed keys and never fetches; counts requests for a fetch."""

    def __init__(self, keys: KeySet | None) -> None:
        super().__init__("still", lambda: pytest.fail("fetched"))
        self.asked = 0
        if keys is not None:
            self.give(keys)

    def fail(self) -> None:
        self._failure = UpstreamError("still: unreachable", provider="still")

    def give(self, keys: KeySet) -> None:
        self._grant = Grant(keys, expires=float("inf"), fetched=0.0)

    def request_fetch(self) -> None:
        self.asked += 1

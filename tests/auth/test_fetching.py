"""Fetching keys from an identity provider that rotates, stalls or sends bad data, on real sockets.

The last good keys are kept, and callers never wait long.
"""

import gzip
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from nexus.auth.fetching import LARGEST, JwksSource, renewed_keys
from nexus.auth.jwks import KeySet
from nexus.errors import UpstreamError
from nexus.renewal import Renewed
from nexus.settings.oauth import OAuthSettings
from tests.auth.kit import (
    HARD_LIMIT,
    Behaviour,
    IdentityProvider,
    answer,
    drip,
    ec_key,
    endless,
    hang_up,
    jwk,
    jwks,
    stall,
)

GOOD = answer(jwks(jwk(ec_key(), "one")))
ROTATED = answer(jwks(jwk(ec_key("new"), "two")))


def source(provider: IdentityProvider, deadline: float = 5.0) -> JwksSource:
    return JwksSource(OAuthSettings(url=provider.url), deadline=deadline)


@contextmanager
def renewing(source: JwksSource, interval: float = 3600, **pauses: float) -> Iterator[Renewed[KeySet]]:
    keys = renewed_keys(source, interval, **pauses)
    keys.start()
    # A fetch that fails at once may be over.
    if (first := keys.request_fetch()) is not None:
        first.result(HARD_LIMIT)
    try:
        yield keys
    finally:
        keys.close()


def asked(keys: Renewed[KeySet]) -> Future[None]:
    future = keys.request_fetch()
    assert future is not None
    return future


def kids(keys: Renewed[KeySet]) -> list[str | None]:
    return [key.kid for key in keys.value.keys] if keys.value is not None else []


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider(GOOD) as running:
        yield running


def test_rotated_keys_are_fetched_on_request(provider: IdentityProvider) -> None:
    with renewing(source(provider), pause=0) as keys:
        assert kids(keys) == ["one"]
        provider.behaviour = ROTATED
        asked(keys).result(HARD_LIMIT)
        assert kids(keys) == ["two"]


def test_keys_are_refreshed_periodically(provider: IdentityProvider) -> None:
    with renewing(source(provider), interval=0.01):
        provider.wait_for(3)


def test_unknown_key_ids_cannot_trigger_fetches_without_a_pause(provider: IdentityProvider) -> None:
    with renewing(source(provider), pause=3600) as keys:
        assert all(keys.request_fetch() is None for _ in range(1000))
        assert provider.asked == 1


def status(line: str, more: str = "") -> Behaviour:
    return answer(jwks(jwk(ec_key("evil"), "evil")), line, more)


def reset(sock: socket.socket, provider: IdentityProvider) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")


BOMB = gzip.compress(b" " * (LARGEST * 40))

BAD: dict[str, Behaviour] = {
    "error": status("500 Internal Server Error"),
    "not found": status("404 Not Found"),
    "no content": answer(b"", "204 No Content"),
    "redirect": status("302 Found", "Location: http://127.0.0.1:1/evil\r\n"),
    "page": answer(b"<html>sign in</html>"),
    "empty": answer(b""),
    "no keys": answer(b'{"keys": []}'),
    "no usable keys": answer(jwks({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
    "too large": answer(b'{"keys": [' + b" " * LARGEST + b"]}"),
    "endless": endless,
    "bomb": answer(BOMB, more="Content-Encoding: gzip\r\n"),
    "broken gzip": answer(b"xxxx", more="Content-Encoding: gzip\r\n"),
    "truncated": reset,
    "closes the connection": hang_up,
    "not HTTP": lambda sock, provider: sock.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "stalls": stall,
    "drips": drip,
}


def test_a_bad_answer_keeps_the_last_good_keys(provider: IdentityProvider, caplog: pytest.LogCaptureFixture) -> None:
    with renewing(source(provider), pause=0) as keys, caplog.at_level(logging.DEBUG, "nexus"):
        provider.behaviour = BAD["error"]
        asked(keys).result(HARD_LIMIT)
        assert kids(keys) == ["one"]
        (failure,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert failure.getMessage() == "the token signing keys could not be fetched"
        provider.behaviour = ROTATED
        asked(keys).result(HARD_LIMIT)
        assert kids(keys) == ["two"]


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_at_the_start_gives_no_keys(behaviour: Behaviour) -> None:
    with IdentityProvider(behaviour) as provider, pytest.raises(UpstreamError) as caught:
        source(provider, deadline=0.1 if behaviour in (stall, drip) else 5.0)()
    assert "evil" not in str(caught.value)


def test_symmetric_keys_are_ignored_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with IdentityProvider(answer(jwks(jwk(b"hushhush" * 4, "secret"), jwk(ec_key(), "one")))) as provider:
        fetch = source(provider)
        found = [[key.kid for key in fetch().keys] for _ in range(2)]
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert found == [["one"]] * 2
    assert "symmetric" in warning.getMessage() and vars(warning)["fields"] == {"keys": 1}

"""An identity provider that rotates, stalls and lies, on real sockets: the last good keys stay, nobody waits long."""

from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager

import pytest

from nexus.auth.fetching import LARGEST, JwksSource
from nexus.auth.jwks import KeySet, read_key_set
from nexus.auth.refresher import Refresher
from nexus.errors import NexusError
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
def refreshing(
    fetch: Callable[[], KeySet], interval: float = 3600, *, ready: bool = True, **pauses: float
) -> Iterator[Refresher]:
    refresher = Refresher(fetch, interval, **pauses)
    first = refresher.start()
    try:
        if ready:
            first.result(HARD_LIMIT)
        yield refresher
    finally:
        refresher.close()
        assert refresher._thread is not None
        refresher._thread.join(HARD_LIMIT)
        assert not refresher._thread.is_alive()


def asked(refresher: Refresher) -> Future[None]:
    future = refresher.ask()
    assert future is not None
    return future


def kids(refresher: Refresher) -> list[str | None]:
    return [key.kid for key in refresher.keys.keys] if refresher.keys is not None else []


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider(GOOD) as running:
        yield running


def test_keys_are_there_after_the_first_fetch(provider: IdentityProvider) -> None:
    with refreshing(source(provider)) as refresher:
        assert kids(refresher) == ["one"]


def test_rotated_keys_are_had_for_the_asking(provider: IdentityProvider) -> None:
    with refreshing(source(provider), pause=0) as refresher:
        provider.behaviour = ROTATED
        # A fetch that was under way may still bring the old keys; whoever asks next has the new ones.
        for _ in range(2):
            asked(refresher).result(HARD_LIMIT)
        assert kids(refresher) == ["two"]


def test_keys_are_fetched_anew_without_anybody_asking(provider: IdentityProvider) -> None:
    with refreshing(source(provider), interval=0.01):
        provider.wait_for(3)


def test_strangers_cannot_make_it_fetch_without_a_pause(provider: IdentityProvider) -> None:
    with refreshing(source(provider), pause=3600) as refresher:
        for _ in range(1000):
            assert refresher.ask() is None
        assert provider.asked == 1


def test_many_wait_for_one_fetch() -> None:
    provider = IdentityProvider(stall)
    with provider, refreshing(source(provider), ready=False) as refresher:
        futures = {asked(refresher) for _ in range(100)}
        provider.wait_for(1)
        futures |= {asked(refresher) for _ in range(100)}
        assert len(futures) == 1
        provider.stopped.set()
        futures.pop().result(HARD_LIMIT)
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
    "cut off": reset,
    "hangs up": hang_up,
    "no HTTP": lambda sock, provider: sock.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "stalls": stall,
    "drips": drip,
}


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_leaves_the_last_good_keys(
    provider: IdentityProvider, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    fetch = source(provider, deadline=0.3 if behaviour in (stall, drip) else 5.0)
    with refreshing(fetch, pause=0) as refresher, caplog.at_level(logging.DEBUG, "nexus.auth"):
        provider.behaviour = behaviour
        asked(refresher).result(HARD_LIMIT)
        assert kids(refresher) == ["one"]
        (failure,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert failure.getMessage() == "the keys for tokens could not be fetched"
        provider.behaviour = ROTATED
        asked(refresher).result(HARD_LIMIT)
        assert kids(refresher) == ["two"]


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_at_the_start_gives_no_keys(behaviour: Behaviour) -> None:
    with ExitStack() as stack:
        provider = stack.enter_context(IdentityProvider(behaviour))
        with pytest.raises((NexusError, ValueError)) as caught:
            source(provider, deadline=0.3 if behaviour in (stall, drip) else 5.0)()
        assert "evil" not in str(caught.value)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with refreshing(JwksSource(OAuthSettings(url=f"http://127.0.0.1:{port}/"))) as refresher:
        assert refresher.keys is None
        assert refresher.ask() is None


def test_a_failure_is_tried_again_soon() -> None:
    outcomes: Iterator[Exception | KeySet] = iter([ValueError("no"), read_key_set(jwks(jwk(ec_key())))])

    def fetch() -> KeySet:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with refreshing(fetch, retry=0.01) as refresher:
        while refresher.keys is None:
            assert refresher._thread is not None and refresher._thread.is_alive()
            refresher._thread.join(0.005)


def test_a_surprise_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    surprises = iter([KeyError("x")])

    def fetch() -> KeySet:
        for surprise in surprises:
            raise surprise
        return read_key_set(jwks(jwk(ec_key(), "one")))

    with refreshing(fetch, pause=0) as refresher:
        assert refresher.keys is None
        asked(refresher).result(HARD_LIMIT)
        assert kids(refresher) == ["one"]
    assert "could not be read" in caplog.text


def test_closing_ends_the_wait_though_the_server_stalls() -> None:
    with IdentityProvider(stall) as provider:
        refresher = Refresher(source(provider, deadline=HARD_LIMIT), 3600)
        waiting = refresher.start()
        assert asked(refresher) is waiting
        provider.wait_for(1)
        refresher.close()
        waiting.result(0)
        assert refresher.ask() is None
        assert refresher._thread is not None and refresher._thread.daemon
        refresher.close()


def test_a_future_cannot_be_cancelled_for_the_others(provider: IdentityProvider) -> None:
    with refreshing(source(provider), pause=0) as refresher:
        future = asked(refresher)
        assert not future.cancel()
        future.result(HARD_LIMIT)


def test_before_the_start_there_is_nothing_to_wait_for() -> None:
    assert Refresher(lambda: read_key_set(b""), 60).ask() is None

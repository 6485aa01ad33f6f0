"""Sends commands to a Redis, and explains its errors.

The package ``redis`` is imported on first use: without a Redis store it costs nothing. No command is sent twice or
waits longer than the settings allow. No error message contains a password.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from nexus.dataclasses import dataclass
from nexus.settings.limits import NO_REDIS, RedisStorage
from nexus.settings.problems import CannotServe

PORT = 6379

TEST_AFTER = 1.0
"""Seconds of idleness after which a connection is tested before the next command, because servers close idle ones."""


@dataclass(frozen=True, slots=True)
class Errors:
    """redis-py's exceptions: ``failure`` is every failure of Redis; the others are subclasses of it."""

    failure: tuple[type[Exception], ...]
    unknown_script: type[Exception]
    moved: type[Exception]
    ask: type[Exception]
    cross_slot: type[Exception]
    """The keys of a script are in different slots."""

    migrating: type[Exception]
    """Some keys of a script have moved to another node and some have not, or are new: nobody executes it until all
    have."""


class Connections:
    """Commands to one Redis, on at most ``pool_size`` connections. Thread-safe.

    The connections are redis-py's; its client and its pool are not used, because with them a command costs twice as
    much CPU, and gives up the interpreter's lock twice as often.
    """

    def __init__(self, settings: RedisStorage, node: str | None = None) -> None:
        """Connects at the first command, to ``node`` (HOST:PORT) if given, else to the url. Raises CannotServe."""
        self._new = _connector(settings, node)
        self._failure = errors().failure
        self._seconds = settings.response_timeout
        self._room = threading.BoundedSemaphore(settings.pool_size)
        self._idle: deque[tuple[Any, float]] = deque()

    def run(self, *commands: Sequence[object]) -> Any:
        """Sends the commands, each after the reply to the one before; returns the last reply. Raises redis-py's
        exceptions."""
        if not self._room.acquire(timeout=self._seconds):
            raise TimeoutError(f"all connections are in use for {self._seconds:g} s: pool_size allows no more")
        try:
            return self._run(self._take(), commands)
        finally:
            self._room.release()

    def _run(self, connection: Any, commands: Iterable[Sequence[object]]) -> Any:
        # A connection that fails disconnects itself, and connects again at the next command.
        try:
            reply = None
            for command in commands:
                connection.send_command(*command)
                reply = connection.read_response()
            return reply
        finally:
            self._idle.append((connection, time.monotonic()))

    def _take(self) -> Any:
        try:
            connection, since = self._idle.pop()
        except IndexError:
            return self._new()
        if time.monotonic() > since + TEST_AFTER and self._is_unusable(connection):
            connection.disconnect()
        return connection

    def _is_unusable(self, connection: Any) -> bool:
        """Whether Redis closed the connection, or sent data without a command."""
        try:
            return bool(connection.can_read())
        except self._failure:
            return True

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].disconnect()


def _connector(settings: RedisStorage, node: str | None) -> partial[Any]:
    """Creates connections. Raises CannotServe."""
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise CannotServe(("server", "rate_limits", "storage", "type"), NO_REDIS) from None
    pool = redis.ConnectionPool.from_url(
        settings.url if node is None else _moved_to(settings.url, node),
        socket_timeout=settings.response_timeout,
        socket_connect_timeout=settings.connect_timeout,
        socket_keepalive=True,
        # A command whose answer was lost may have been executed: sending it again would count it twice.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="nexus",
        **_tls(settings),
    )
    return partial(pool.connection_class, **pool.connection_kwargs)


def errors() -> Errors:
    """For use after ``Connections``, which reports a missing redis-py."""
    from redis import exceptions

    return Errors(
        # The standard library raises UnicodeError for an impossible host name.
        failure=(exceptions.RedisError, OSError, UnicodeError),
        unknown_script=exceptions.NoScriptError,
        moved=exceptions.MovedError,
        ask=exceptions.AskError,
        cross_slot=exceptions.ClusterCrossSlotError,
        migrating=exceptions.TryAgainError,
    )


def slot_of(key: str) -> int:
    from redis.crc import key_slot

    slot: int = key_slot(key.encode())
    return slot


def redis_address(settings: RedisStorage) -> str:
    """Host and port, for logs."""
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    return f"[{host}]:{parts.port or PORT}" if ":" in host else f"{host}:{parts.port or PORT}"


def explain(error: Exception, settings: RedisStorage) -> str:
    """An error's cause in words, with its remedy if known."""
    from redis.exceptions import AuthenticationError, TimeoutError

    text = str(error)[:200]
    match error, error.__context__:
        case AuthenticationError(), _:
            return f"the login with the user name and password of url failed: {text}"
        case _, ssl.SSLCertVerificationError() as refused:
            return f"TLS: the certificate is not trusted ({refused.verify_message}); tls.ca_file sets whom to trust"
        case _, ssl.SSLError():
            return f"TLS failed: {text}"
        case TimeoutError(), _ if _is_secure(settings):
            return f"{text}; is the port open, and does it use TLS?"
        case _, ConnectionResetError() if not _is_secure(settings):
            return f"{text}; a port with TLS needs a url that begins with rediss://"
    return text


def _moved_to(url: str, node: str) -> str:
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{node}"))


def _is_secure(settings: RedisStorage) -> bool:
    return settings.url.startswith("rediss:")


def _tls(settings: RedisStorage) -> dict[str, Any]:
    if not _is_secure(settings):
        return {}
    tls = settings.tls
    return {
        "ssl_ca_certs": str(tls.ca_file) if tls.ca_file else None,
        "ssl_certfile": str(tls.cert_file) if tls.cert_file else None,
        "ssl_keyfile": str(tls.key_file) if tls.key_file else None,
        "ssl_cert_reqs": "none" if tls.insecure else "required",
        "ssl_check_hostname": not tls.insecure,
    }

"""Makes the client of a Redis store out of its settings, and puts its errors into words.

The package ``redis`` is imported on first use: without a Redis store it costs nothing. The
client never retries by itself and never waits longer than the settings say. No word of an error holds a password.
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from nexus.dataclasses import dataclass
from nexus.settings.limits import NO_REDIS, RedisStorage

PORT = 6379


class MissingRedis(Exception):
    """Counting in Redis is configured and redis-py cannot be imported."""

    def __init__(self) -> None:
        super().__init__(f'server.rate_limits.storage: type = "redis" {NO_REDIS}')


@dataclass(frozen=True, slots=True)
class Errors:
    """What redis-py raises: ``lost`` whenever Redis does not do what it was asked, the others are kinds of it."""

    lost: tuple[type[Exception], ...]
    unknown_script: type[Exception]
    moved: type[Exception]
    ask: type[Exception]
    apart: type[Exception]
    """The keys of a script do not lie together."""


def connect(settings: RedisStorage, node: str | None = None) -> Any:
    """Connects at the first command; to ``node`` (HOST:PORT) rather than to url's. Raises MissingRedis."""
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise MissingRedis from None
    pool = redis.BlockingConnectionPool.from_url(
        settings.url if node is None else _moved_to(settings.url, node),
        max_connections=settings.pool_size,
        timeout=settings.response_timeout,
        socket_timeout=settings.response_timeout,
        socket_connect_timeout=settings.connect_timeout,
        socket_keepalive=True,
        # A command whose answer was lost may have been carried out: sending it again would count it twice.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="nexus",
        **_tls(settings),
    )
    return redis.Redis(connection_pool=pool)


def errors() -> Errors:
    """For whoever has connected already."""
    from redis.exceptions import AskError, ClusterCrossSlotError, MovedError, NoScriptError, RedisError

    # A host that cannot be one is an error of Unicode's to the standard library.
    return Errors((RedisError, OSError, UnicodeError), NoScriptError, MovedError, AskError, ClusterCrossSlotError)


def slot_of(key: str) -> int:
    """Which of a cluster's slots a key lies in."""
    from redis.crc import key_slot

    slot: int = key_slot(key.encode())
    return slot


def address_of(settings: RedisStorage) -> str:
    """Host and port, for logs."""
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    return f"[{host}]:{parts.port or PORT}" if ":" in host else f"{host}:{parts.port or PORT}"


def explain(error: Exception, settings: RedisStorage) -> str:
    """What is wrong, in words by which somebody can mend it."""
    from redis.exceptions import AuthenticationError, TimeoutError

    text = str(error)[:200]
    match error, error.__context__:
        case AuthenticationError(), _:
            return f"the login with the user name and password of url failed: {text}"
        case _, ssl.SSLCertVerificationError() as refused:
            return f"TLS: the certificate is not trusted ({refused.verify_message}); tls.ca_file names who is"
        case _, ssl.SSLError():
            return f"TLS failed: {text}"
        case TimeoutError(), _ if _is_secure(settings):
            return f"{text}; is nothing there, or a port without TLS?"
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

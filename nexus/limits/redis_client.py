"""Makes the client of a Redis store out of its settings.

Law: redis-py is imported here and when it is asked for, so that it costs nothing where nobody counts in Redis. The
client never retries by itself and never waits longer than the settings say.
"""

from __future__ import annotations

from typing import Any

from nexus.settings.limits import NO_REDIS, RedisStorage


def connect(settings: RedisStorage) -> Any:
    """Connects at the first command. Raises LookupError where redis-py is not installed."""
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise LookupError(f'server.rate_limits.storage: type = "redis" {NO_REDIS}') from None
    pool = redis.BlockingConnectionPool.from_url(
        settings.url,
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


def lost_errors() -> tuple[tuple[type[Exception], ...], type[Exception]]:
    """What is raised when Redis does not do what it was asked, and when only the script has to be sent once more."""
    from redis.exceptions import NoScriptError, RedisError

    return (RedisError, OSError), NoScriptError


def _tls(settings: RedisStorage) -> dict[str, Any]:
    if not settings.url.startswith("rediss:"):
        return {}
    tls = settings.tls
    return {
        "ssl_ca_certs": str(tls.ca_file) if tls.ca_file else None,
        "ssl_certfile": str(tls.cert_file) if tls.cert_file else None,
        "ssl_keyfile": str(tls.key_file) if tls.key_file else None,
        "ssl_cert_reqs": "none" if tls.insecure else "required",
        "ssl_check_hostname": not tls.insecure,
    }

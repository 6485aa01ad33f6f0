"""``rate_limits`` tables: limits per user and on all requests, and the storage of their counters."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, WrapValidator, create_model

from nexus.settings.tagged import Tagged
from nexus.settings.types import FilePath, Label, Location, PositiveDuration, Table, Timeout, needs
from nexus.settings.urls import parts_of

Limit = Annotated[int, Field(ge=1, le=10**12)]
"""Tokens or requests; bounded so that sums stay exact in the floating point numbers of Redis scripts."""


NO_REDIS = needs("redis", "redis")


class UserLimit(Table):
    """What each user may use within a sliding window of ``interval``."""

    input_token_limit: Limit | None = None
    """Input tokens, cached ones included."""

    output_token_limit: Limit | None = None
    """Output tokens, reasoning included."""

    request_limit: Limit | None = None
    """Number of calls."""

    interval: PositiveDuration
    """Length of the sliding window."""

    def problems(self) -> Iterator[Location]:
        if self.input_token_limit is None and self.output_token_limit is None and self.request_limit is None:
            yield (), "sets no limit; set input_token_limit, output_token_limit or request_limit"


class PerUser(UserLimit):
    """``rate_limits.per_user``: for users without a group, or whose group has no limit below."""

    groups: dict[Label, UserLimit] = Field(default_factory=dict)
    """Limits by group: what each user of the group may use."""


class RateLimits(Table):
    """``rate_limits`` of a provider, for all its models together, or of a model."""

    per_user: PerUser
    """What each user may use."""


class RequestLimit(Table):
    """At most ``limit`` requests within a sliding window of ``interval``."""

    limit: Limit
    """Maximum number of requests."""

    interval: PositiveDuration
    """Length of the sliding window."""


class Storage(Tagged):
    """``[server.rate_limits.storage]``: where limits are counted."""

    @classmethod
    def variants(cls) -> Mapping[str, type[Table]]:
        return _STORAGES

    type: Literal["memory", "redis"]
    """"memory" counts for the workers of this process, "redis" across all processes and machines."""


class MemoryStorage(Storage):
    """Counts in this process, for all its workers; counters are lost when it ends."""


class RedisTls(Table):
    """``[server.rate_limits.storage.tls]``: for a "rediss://" URL."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the public ones."""

    cert_file: FilePath | None = None
    """Client certificate (PEM)."""

    key_file: FilePath | None = None
    """Private key of the client certificate (PEM)."""

    insecure: bool = False
    """Skip certificate and host name verification; for tests."""

    def problems(self) -> Iterator[Location]:
        if (self.cert_file is None) != (self.key_file is None):
            lacking = "key_file" if self.key_file is None else "cert_file"
            yield (lacking,), "is missing; cert_file and key_file belong together"


def read_redis_url(value: str) -> str:
    """The URL of Redis, with or without credentials. Raises ValueError."""
    url = value.strip()
    parts, port = parts_of(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or port == 0:
        raise ValueError('must begin with "redis://" or, for TLS, "rediss://" and name a host')
    database = parts.path.strip("/")
    if database and not (database.isascii() and database.isdecimal()):
        raise ValueError('must end with a port or a database number, such as "redis://localhost:6379/0"')
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment; timeouts and TLS are separate settings")
    return url


def read_key_prefix(value: str) -> str:
    """The prefix of all keys in Redis. Raises ValueError."""
    if not (value.isascii() and value.isprintable() and len(value) <= 64) or set("{} ") & set(value):
        raise ValueError("must be at most 64 ASCII characters without spaces or braces (braces select a cluster slot)")
    return value


class RedisStorage(Storage):
    """Counts in Redis 5 or later, Valkey, or another server with their protocol and Lua scripts."""

    # Not in the repr, because it may hold a password.
    url: Annotated[str, AfterValidator(read_redis_url)] = Field(repr=False)
    """URL of Redis: redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS."""

    key_prefix: Annotated[str, AfterValidator(read_key_prefix)] = "nexus:"
    """Prefix of all keys in Redis."""

    connect_timeout: Timeout = 1.0
    """Timeout for opening a connection, TLS included."""

    response_timeout: Timeout = 0.5
    """Timeout for a response, and for getting a connection from the pool."""

    pool_size: Annotated[int, Field(ge=1, le=4096)] = 16
    """Maximum number of connections."""

    on_failure: Literal["allow", "deny"] = "allow"
    """While Redis is unavailable: "allow" counts in this process alone, "deny" rejects limited calls with 503."""

    tls: RedisTls = RedisTls.model_construct()
    """TLS certificates."""

    def problems(self) -> Iterator[Location]:
        if self.tls != RedisTls() and not self.url.startswith("rediss:"):
            yield ("tls",), 'has no effect, because url does not begin with "rediss://"'


_STORAGES: Mapping[str, type[Storage]] = {"memory": MemoryStorage, "redis": RedisStorage}


if TYPE_CHECKING:
    _WithGlobal = Table
else:
    # ``global`` is a Python keyword, which no class body can declare as a field.
    _WithGlobal = create_model(
        "_WithGlobal",
        __base__=Table,
        **{"global": (RequestLimit | None, Field(default=None, description="All callers together."))},
    )


class RequestLimits(_WithGlobal):
    """``[server.rate_limits]``: limits on requests of any kind from any client."""

    enabled: bool = True
    """Enforce ``global`` and ``per_ip``; limits per user hold in any case."""

    per_ip: RequestLimit | None = None
    """Limit for each client address; IPv6 addresses count by their first 64 bits."""

    storage: Annotated[Storage, WrapValidator(Storage.read)] = MemoryStorage.model_construct(type="memory")
    """Where Nexus counts all limits, those per user included."""

    @property
    def overall(self) -> RequestLimit | None:
        """The setting ``global``, whose name is a Python keyword."""
        return getattr(self, "global")  # type: ignore[no-any-return]

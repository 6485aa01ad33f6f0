"""``rate_limits`` tables: how much each user may spend, how often anybody may call, where it is counted."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, FilePath, WrapValidator, create_model

from nexus import DISTRIBUTION
from nexus.settings.tagged import Tagged
from nexus.settings.types import Label, Location, PositiveDuration, Table, Timeout
from nexus.settings.urls import parts_of

Limit = Annotated[int, Field(ge=1, le=10**12)]
"""Tokens or requests; sums of many stay exact in the floating point numbers of Redis scripts."""


NO_REDIS = f"needs the Python package redis, which is not installed; pip install '{DISTRIBUTION}[redis]'"


class UserLimit(Table):
    """What one user may spend in any stretch of time as long as ``interval``."""

    input_token_limit: Limit | None = None
    """Tokens sent, cached ones included."""

    output_token_limit: Limit | None = None
    """Tokens received, reasoning included."""

    request_limit: Limit | None = None
    """Calls."""

    interval: PositiveDuration
    """Length of the window, which slides."""

    def problems(self) -> Iterator[Location]:
        if self.input_token_limit is None and self.output_token_limit is None and self.request_limit is None:
            yield (), "sets no limit; set input_token_limit, output_token_limit or request_limit"


class PerUser(UserLimit):
    """``rate_limits.per_user``: for users of no group, and of groups that have no limit of their own."""

    groups: dict[Label, UserLimit] = Field(default_factory=dict)
    """Group to what each of its users may spend."""


class RateLimits(Table):
    """``rate_limits`` of a provider, where all its models count together, or of a model."""

    per_user: PerUser
    """What each user may spend."""


class RequestLimit(Table):
    """``limit`` requests in any stretch of time as long as ``interval``."""

    limit: Limit
    """Requests."""

    interval: PositiveDuration
    """Length of the window, which slides."""


class Storage(Tagged):
    """``[server.rate_limits.storage]``: where spending is counted."""

    @classmethod
    def variants(cls) -> Mapping[str, type[Table]]:
        return _STORAGES

    type: Literal["memory", "redis"]
    """"memory" counts for all workers of this process, "redis" over all processes and machines together."""


class MemoryStorage(Storage):
    """Counts in this process, for all of its workers; forgotten when it ends."""


class RedisTls(Table):
    """``[server.rate_limits.storage.tls]``: for a URL that begins with "rediss://"."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the public ones."""

    cert_file: FilePath | None = None
    """Our own certificate (PEM)."""

    key_file: FilePath | None = None
    """The key of our own certificate (PEM)."""

    insecure: bool = False
    """Accept any certificate and any name in it; for tests."""

    def problems(self) -> Iterator[Location]:
        if (self.cert_file is None) != (self.key_file is None):
            lacking = "key_file" if self.key_file is None else "cert_file"
            yield (lacking,), "is missing; cert_file and key_file belong together"


def read_redis_url(value: str) -> str:
    """Where Redis is, with or without credentials."""
    url = value.strip()
    parts, port = parts_of(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or port == 0:
        raise ValueError('must begin with "redis://" or, for TLS, "rediss://" and name a host')
    database = parts.path.strip("/")
    if database and not (database.isascii() and database.isdecimal()):
        raise ValueError('the path of a Redis URL must be a database number, such as "redis://localhost:6379/0"')
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment; options are separate settings")
    return url


def read_key_prefix(value: str) -> str:
    """What all keys in Redis begin with."""
    if not (value.isascii() and value.isprintable() and len(value) <= 64) or set("{} ") & set(value):
        raise ValueError("must be at most 64 ASCII characters without spaces or braces (braces select a cluster slot)")
    return value


class RedisStorage(Storage):
    """Counts in Redis 5 or later, Valkey, or what speaks their protocol and runs Lua."""

    # May hold a password, hence not in any repr.
    url: Annotated[str, AfterValidator(read_redis_url)] = Field(repr=False)
    """redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS."""

    key_prefix: Annotated[str, AfterValidator(read_key_prefix)] = "nexus:"
    """What all keys begin with."""

    connect_timeout: Timeout = 1.0
    """For a connection to stand, TLS included."""

    response_timeout: Timeout = 0.5
    """For an answer, and for a free connection of the pool."""

    pool_size: Annotated[int, Field(ge=1, le=4096)] = 16
    """Most connections at a time."""

    on_failure: Literal["allow", "deny"] = "allow"
    """While Redis is down: "allow" counts in this process alone, "deny" refuses limited calls with 503."""

    tls: RedisTls = RedisTls.model_construct()
    """Certificates."""

    def problems(self) -> Iterator[Location]:
        if self.tls != RedisTls() and not self.url.startswith("rediss:"):
            yield ("tls",), 'has no effect: url does not begin with "rediss://"'


_STORAGES: Mapping[str, type[Storage]] = {"memory": MemoryStorage, "redis": RedisStorage}


if TYPE_CHECKING:
    _WithGlobal = Table
else:
    # No class body can declare a field of this name, which is a word of Python.
    _WithGlobal = create_model(
        "_WithGlobal",
        __base__=Table,
        **{"global": (RequestLimit | None, Field(default=None, description="All callers together."))},
    )


class RequestLimits(_WithGlobal):
    """``[server.rate_limits]``: how many requests may come, of any kind, whoever sends them."""

    enabled: bool = True
    """Whether ``global`` and ``per_ip`` hold; limits per user hold in either case."""

    per_ip: RequestLimit | None = None
    """Each address by itself; of IPv6 the first 64 bits."""

    storage: Annotated[Storage, WrapValidator(Storage.read)] = MemoryStorage.model_construct(type="memory")
    """Where Nexus counts, limits per user included."""

    @property
    def overall(self) -> RequestLimit | None:
        """``global``."""
        return getattr(self, "global")  # type: ignore[no-any-return]

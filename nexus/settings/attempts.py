"""Retries and timeouts of the calls to a provider."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from nexus.settings.types import Duration, Location, Table, Timeout


class Retries(Table):
    """``[llm.providers.NAME.retries]``: retries before the first content of an answer; none after it."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Maximum attempts, 1 to 10; 1 means no retry."""

    base_delay: Duration = 0.5
    """Upper bound of the random pause before the first retry; doubles with every further retry."""

    max_delay: Duration = 8.0
    """Upper bound of the pause before any retry; a vendor's retry-after is honoured up to this."""

    def problems(self) -> Iterator[Location]:
        if self.max_delay < self.base_delay:
            yield ("max_delay",), "must be at least base_delay"


class ProviderTimeouts(Table):
    """``[llm.providers.NAME.timeouts]``: timeouts of each phase of a call; there is no limit on a whole stream."""

    connect: Timeout = 10.0
    """Timeout for opening the connection, TLS included."""

    first_byte: Timeout = 600.0
    """Timeout from sending the request to receiving the response headers; a reasoning model may think for minutes."""

    idle: Timeout = 300.0
    """Timeout between two chunks of a response."""

    silence: Timeout = 900.0
    """Timeout between two chunks with content: pings and comments do not count. For an answer that is not a stream,
    from its head to its end."""

    keep_alive: Timeout = 50.0
    """How long an idle connection is kept for reuse."""


class ModelTimeouts(Table):
    """``[llm.providers.NAME.models.ALIAS.timeouts]``: overrides of the provider's timeouts."""

    connect: Timeout | None = None
    """Timeout for opening the connection, TLS included."""

    first_byte: Timeout | None = None
    """Timeout from sending the request to receiving the response headers."""

    idle: Timeout | None = None
    """Timeout between two chunks of a response."""

    silence: Timeout | None = None
    """Timeout between two chunks with content, or for an answer that is not a stream."""

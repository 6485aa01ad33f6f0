"""How often a call is tried at a provider, and how long each attempt may wait."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from nexus.settings.types import Duration, Location, Table, Timeout


class Retries(Table):
    """``[llm.providers.NAME.retries]``: tries before the first content of an answer; none after it."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Tries in all; 1 means no retry."""

    base_delay: Duration = 0.5
    """Longest pause before the second try; doubles with every further one. The pause itself is random."""

    max_delay: Duration = 8.0
    """Longest pause before any try; a vendor's retry-after is honoured up to this."""

    def problems(self) -> Iterator[Location]:
        if self.max_delay < self.base_delay:
            yield ("max_delay",), "is shorter than base_delay"


class Timeouts(Table):
    """``[llm.providers.NAME.timeouts]``: how long silence may last in each phase; there is no total."""

    connect: Timeout = 10.0
    """For the connection to stand, TLS included."""

    first_byte: Timeout = 600.0
    """From the request sent to the head of the answer, at the latest; a reasoning model may think for minutes."""

    idle: Timeout = 300.0
    """Between two pieces of an answer."""

    silence: Timeout = 900.0
    """Between two pieces of an answer that say something: pings and comments do not count."""

    keep_alive: Timeout = 50.0
    """For which an unused connection is kept for the next call."""


class ModelTimeouts(Table):
    """``[llm.providers.NAME.models.ALIAS.timeouts]``: what differs from the provider's."""

    connect: Timeout | None = None
    """For the connection to stand, TLS included."""

    first_byte: Timeout | None = None
    """From the request sent to the head of the answer, at the latest."""

    idle: Timeout | None = None
    """Between two pieces of an answer."""

    silence: Timeout | None = None
    """Between two pieces of an answer that say something."""

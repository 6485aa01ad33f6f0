"""``[server]``: the listening socket, its limits and its clocks.

Law: nothing here knows a vendor or a model.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nexus.settings.types import Address, Duration, ListenAddress, PositiveDuration, Size, Table, Timeout, UrlPath


class HealthSettings(Table):
    """``[server.health]``: an endpoint for load balancers and supervisors."""

    enabled: bool = True
    """Whether it is served."""

    path: UrlPath = "/health"
    """Where."""


class ServerSettings(Table):
    """How Nexus listens and how long it waits."""

    listen_address: Address = ListenAddress("127.0.0.1", 8000)
    """HOST:PORT; port 0 takes any free one. The command line wins over it."""

    max_body_size: Size = 32 * 2**20
    """Largest request body, counted after decompression."""

    worker_threads: Annotated[int, Field(ge=1, le=4096)] = 512
    """Calls that can run at the same time; one more is refused at once."""

    early_ping: PositiveDuration = 20.0
    """A streaming call is answered with pings when the vendor has said nothing for this long."""

    ping_interval: PositiveDuration = 10.0
    """Silence in a stream after which a ping is sent."""

    drain_timeout: Duration = 30.0
    """How long running calls may go on after the signal to stop."""

    client_timeout: Timeout = 300.0
    """A client that takes no bytes, or sends none of its body, for this long is gone."""

    health: HealthSettings = HealthSettings()
    """The health endpoint."""

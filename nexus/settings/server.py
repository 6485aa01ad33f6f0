"""``[server]``: listening, limits, timeouts and callers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from nexus.settings.guards import ClientIpSettings, CorsSettings, CsrfSettings, TlsSettings
from nexus.settings.identity import NO_IDENTIFICATION, ClientIdentification
from nexus.settings.keys import GatewayKey, GatewayKeys
from nexus.settings.limits import RequestLimits
from nexus.settings.listen import Addresses, FileMode, HostName, ListenAddress
from nexus.settings.oauth import OAuthSettings
from nexus.settings.types import (
    BasePath,
    Duration,
    Location,
    PositiveDuration,
    ProcessCount,
    Size,
    Table,
    Timeout,
    UrlPath,
)


class HealthSettings(Table):
    """``[server.health]``: health endpoints for load balancers and supervisors."""

    enabled: bool = True
    """Serve the health endpoints."""

    path: UrlPath = "/health"
    """Liveness path: returns 200 while the process is alive."""

    ready_path: UrlPath = "/ready"
    """Readiness path: returns 200 while Nexus accepts new calls, 503 after the signal to stop."""

    listen: Addresses | None = None
    """Separate addresses for these paths, in plain HTTP. Default: the address of calls."""

    def problems(self) -> Iterator[Location]:
        if self.path == self.ready_path:
            yield ("ready_path",), "is the same as path; choose another one"


class MetricsSettings(Table):
    """``[server.metrics]``: metrics for Prometheus."""

    enabled: bool = True
    """Collect and serve metrics."""

    path: UrlPath = "/metrics"
    """Path of the metrics. If callers need a credential, it requires one whose group is among usage.readers."""

    listen_address: Addresses | None = None
    """Separate addresses for metrics, in plain HTTP and without credentials."""


class DashboardSettings(Table):
    """``[server.dashboard]``: the web page that shows what the gateway does."""

    enabled: bool | None = None
    """Serve the dashboard. Default: true if Nexus listens on loopback or Unix sockets only."""

    path: BasePath = "/"
    """Path of the page; its data is at ``dashboard/data`` in the same folder."""

    @property
    def data_path(self) -> str:
        """Path of the page's data."""
        return f"{self.folder}dashboard/data"

    @property
    def folder(self) -> str:
        """The folder that URLs in the page are relative to, with a trailing slash."""
        return self.path.rpartition("/")[0] + "/"


class ResponseStoreSettings(Table):
    """``[server.response_store]``: stored answers that Responses API clients can refer to by id, and their owners."""

    enabled: bool = True
    """Store translated answers, except for requests with ``store: false``."""

    time_to_live: PositiveDuration = 86_400.0
    """How long after its last use Nexus deletes an answer."""

    max_size: Size = 64 * 2**20
    """Maximum total size of stored answers, compressed; Nexus evicts the least recently used first."""

    max_size_per_caller: Size = 16 * 2**20
    """Maximum size per caller, or per address if callers are not identified."""

    ids_time_to_live: PositiveDuration = 30 * 86_400.0
    """How long after its last use Nexus forgets the owner of a vendor's id."""

    stored_unknown: Literal["refuse", "serve"] = "refuse"
    """Vendor ids without a known owner, if callers need a credential: "refuse" rejects them with 404, "serve" opens
    them to every caller."""

    def problems(self) -> Iterator[Location]:
        if self.max_size < self.max_size_per_caller:
            yield ("max_size_per_caller",), "must be at most max_size"


class ServerSettings(Table):
    """Listening, limits, timeouts and callers."""

    listen_address: Addresses = (ListenAddress("127.0.0.1", 8000),)
    """Address to listen on: HOST:PORT, or unix:PATH for a Unix socket; several in a list. Port 0 takes any free port,
    [::] includes IPv4. The command line overrides it."""

    socket_mode: FileMode = "0600"
    """File permissions of Unix sockets, which decide who may connect."""

    open: bool = False
    """Serve other machines even though callers need no credential: anyone who can reach the port can use the
    configured keys."""

    hosts: tuple[HostName, ...] = ()
    """Additional Host header names to accept, besides this machine's own, if callers need no credential;
    "*.example.com" means all its subdomains.
    """

    max_body_size: Size = 32 * 2**20
    """Maximum request body size, after decompression."""

    max_upload_size: Size = 100 * 2**20
    """Maximum size of a form with files; above 1 MiB it is kept in a temporary file during its call."""

    worker_threads: Annotated[int, Field(ge=1, le=4096)] = 512
    """Maximum calls in flight per worker process, 1 to 4096; one more gets a 503 at once."""

    workers: ProcessCount = 1
    """Number of worker processes, each on its own core; "auto" starts one for each available core."""

    cpu_affinity: bool = True
    """Keep each busy process on one core, which takes a third less CPU per call; it moves when other programs need the
    core. Linux only."""

    watch_config: bool = True
    """Reload this file when it, or a file that it names, changes. SIGHUP reloads it in any case."""

    early_ping: PositiveDuration = 20.0
    """If the vendor sends nothing for this long, start the stream to the client and keep it alive with pings."""

    ping_interval: PositiveDuration = 10.0
    """Send a ping on a stream after this long without data."""

    drain_delay: Duration = 0.0
    """How long to keep accepting connections after the signal to stop, while ready_path returns 503."""

    drain_timeout: Duration = 30.0
    """How long calls in flight may continue after Nexus stops listening."""

    client_timeout: Timeout = 300.0
    """Close the connection if a client reads nothing, or sends no more of its body, for this long."""

    upload_timeout: Timeout = 3600.0
    """Timeout for receiving a whole request body."""

    keep_alive_timeout: Timeout = 620.0
    """How long an idle client connection stays open; set it longer than a load balancer in front does."""

    max_bytes_in_flight: Size | None = None
    """Maximum total size of request bodies in flight, and of answers above 1 MiB that are not streams; more get a 503.
    Default: an eighth of the memory of the container or machine, after subtracting 96 MiB."""

    health: HealthSettings = HealthSettings.model_construct()
    """Health endpoints."""

    dashboard: DashboardSettings = DashboardSettings.model_construct()
    """The dashboard."""

    metrics: MetricsSettings = MetricsSettings.model_construct()
    """Metrics for Prometheus."""

    keys: GatewayKeys = Field(default_factory=dict)
    """Gateway keys, by the name of the caller."""

    oauth: OAuthSettings | None = None
    """Accept tokens of an identity provider."""

    client_identification: ClientIdentification = ClientIdentification.model_construct()
    """Who calls, for limits and usage accounting."""

    rate_limits: RequestLimits = RequestLimits.model_construct()
    """Limits on all requests, and where all limits are counted."""

    response_store: ResponseStoreSettings = ResponseStoreSettings.model_construct()
    """Translated answers that clients can refer to; stored where limits are counted."""

    client_ip: ClientIpSettings = ClientIpSettings.model_construct()
    """Proxy headers that Nexus trusts for the client's address."""

    cors: CorsSettings | None = None
    """Cross-origin requests: which web pages may call. Default: none."""

    csrf: CsrfSettings = CsrfSettings.model_construct()
    """CSRF protection by a required header."""

    tls: TlsSettings | None = None
    """Serve HTTPS instead of HTTP."""

    @property
    def scheme(self) -> str:
        """URL scheme of the gateway: "http" or "https"."""
        return "http" if self.tls is None else "https"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the gateway."""
        return all(address.is_loopback for address in self.listen_address)

    @property
    def shows_dashboard(self) -> bool:
        return self.is_local if self.dashboard.enabled is None else self.dashboard.enabled

    @property
    def requires_credential(self) -> bool:
        """Whether every call needs a credential."""
        return bool(self.keys) or self.oauth is not None

    def problems(self) -> Iterator[Location]:
        if self.max_bytes_in_flight is not None and self.max_bytes_in_flight < self.max_body_size:
            yield ("max_bytes_in_flight",), "must be at least max_body_size"
        yield from identity_problems(self.client_identification, self.keys, self.oauth)


def listed_groups(settings: ServerSettings) -> Iterator[str]:
    """The groups that the file names, a bounded number; tokens and headers may name others."""
    yield from settings.client_identification.validation.group_values or ()
    yield from (key.group for key in settings.keys.values() if key.group is not None)


def identity_problems(
    settings: ClientIdentification, keys: Mapping[str, GatewayKey], oauth: OAuthSettings | None
) -> Iterator[Location]:
    """Conflicts between the tables of [server] that identify callers; paths are relative to ``server``."""
    if not settings.enabled:
        return
    yield from _unknown_groups(settings, keys)
    yield from _sources(settings, has_keys=bool(keys), has_tokens=oauth is not None)
    if settings.validation.group_values and settings.group_id is None:
        where = ("client_identification", "validation", "group_values")
        yield where, "has no effect without client_identification.group_id"


def _sources(settings: ClientIdentification, *, has_keys: bool, has_tokens: bool) -> Iterator[Location]:
    client, where = settings.client_id, ("client_identification", "client_id")
    if client is None and not (has_keys or has_tokens):
        yield where, NO_IDENTIFICATION
    if client is not None and client.http_header is None and has_keys and has_tokens:
        if not client.gateway_key:
            yield where, "does not identify callers with a gateway key; add gateway_key = true"
        if client.jwt_claim is None:
            yield where, 'does not identify callers with a token; add jwt_claim, such as "sub"'
    for name, source in (("client_id", client), ("group_id", settings.group_id)):
        where = ("client_identification", name)
        if source is not None and source.jwt_claim is not None and not has_tokens:
            yield (*where, "jwt_claim"), "needs [server.oauth] to verify the tokens that claims come from"
        if source is not None and source.gateway_key and not has_keys:
            yield (*where, "gateway_key"), "needs a key in [server.keys]; nexus key new NAME makes one"


def _unknown_groups(settings: ClientIdentification, keys: Mapping[str, GatewayKey]) -> Iterator[Location]:
    allowed = settings.validation.group_values
    source = settings.group_id
    for name, key in keys.items():
        if key.group is None:
            continue
        where = ("keys", name, "group")
        if source is None or not source.gateway_key:
            yield where, "has no effect without client_identification.group_id.gateway_key = true"
        elif allowed and key.group not in allowed:
            yield where, "is not among client_identification.validation.group_values; add it there or fix it here"

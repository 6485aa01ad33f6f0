"""``[server]``: the listening socket, its limits and its clocks."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from nexus.settings.guards import ClientIpSettings, CorsSettings, CsrfSettings, TlsSettings
from nexus.settings.identity import NOTHING_TO_TELL_BY, ClientIdentification
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
    """``[server.health]``: endpoints for load balancers and supervisors."""

    enabled: bool = True
    """Whether they are served."""

    path: UrlPath = "/health"
    """Answers 200 as long as the process lives."""

    ready_path: UrlPath = "/ready"
    """Answers 200 while new calls are welcome, and 503 after the signal to stop."""

    listen: Addresses | None = None
    """Separate addresses for these paths, in plain HTTP. By default they are where calls are."""

    def problems(self) -> Iterator[Location]:
        if self.path == self.ready_path:
            yield ("ready_path",), "is the path of health too"


class MetricsSettings(Table):
    """``[server.metrics]``: what Prometheus reads."""

    enabled: bool = True
    """Whether anything is counted and served."""

    path: UrlPath = "/metrics"
    """Where it is read: with a key whose group is among usage.readers, where callers need one."""

    listen_address: Addresses | None = None
    """Separate addresses for metrics, in plain HTTP and without credentials."""


class DashboardSettings(Table):
    """``[server.dashboard]``: the page that shows what the gateway does."""

    enabled: bool | None = None
    """Whether Nexus serves the page. By default it does where only this machine can reach it."""

    path: BasePath = "/"
    """Where browsers get it; the data it shows is at ``dashboard/data`` beside it."""

    @property
    def data_path(self) -> str:
        """Where the page asks for what it shows."""
        return f"{self.folder}dashboard/data"

    @property
    def folder(self) -> str:
        """What addresses in the page are relative to."""
        return self.path.rpartition("/")[0] + "/"


class ResponseStoreSettings(Table):
    """``[server.response_store]``: answers that Responses clients may refer to by id, and whose they are."""

    enabled: bool = True
    """Whether translated ones are kept; an answer whose request says ``store: false`` is not."""

    time_to_live: PositiveDuration = 86_400.0
    """How long after its last use Nexus forgets an answer."""

    max_size: Size = 64 * 2**20
    """Bytes of all answers together, packed; what has been unused for longest goes first."""

    max_size_per_caller: Size = 16 * 2**20
    """Bytes of each caller, or of each address where Nexus does not know its callers."""

    ids_time_to_live: PositiveDuration = 30 * 86_400.0
    """How long after its last use Nexus forgets whose an id of a vendor is."""

    stored_unknown: Literal["refuse", "serve"] = "refuse"
    """What becomes of an id that nobody remembers, where callers need a key or a token."""

    def problems(self) -> Iterator[Location]:
        if self.max_size < self.max_size_per_caller:
            yield ("max_size_per_caller",), "is more than max_size"


class ServerSettings(Table):
    """How Nexus listens and how long it waits."""

    listen_address: Addresses = (ListenAddress("127.0.0.1", 8000),)
    """HOST:PORT, or unix:PATH for a Unix socket; several in a list. Port 0 takes any free one, [::] is IPv4 too. The
    command line wins over it."""

    socket_mode: FileMode = "0600"
    """Who may use a Unix socket, as the permissions of its file."""

    open: bool = False
    """Whether other machines may spend the configured keys without a credential of their own."""

    hosts: tuple[HostName, ...] = ()
    """Further names in the header Host that Nexus answers to where it asks nobody for a credential; "*.example.com"
    means all names below it.
    """

    max_body_size: Size = 32 * 2**20
    """Largest request body, counted after decompression."""

    max_upload_size: Size = 100 * 2**20
    """Largest form with files in it; beyond 1 MiB it is kept in a temporary file while its call runs."""

    worker_threads: Annotated[int, Field(ge=1, le=4096)] = 512
    """Calls that can run at the same time; Nexus refuses one more at once."""

    workers: ProcessCount = 1
    """Processes that serve together, each on a core of its own; "auto" starts one for each core that Nexus may use."""

    watch_config: bool = True
    """Whether Nexus reads a changed file again; SIGHUP makes it read the file in any case."""

    early_ping: PositiveDuration = 20.0
    """After this long without a word from the vendor a stream gets its head and pings."""

    ping_interval: PositiveDuration = 10.0
    """After this long without a byte a stream gets a ping."""

    drain_delay: Duration = 0.0
    """How long Nexus still listens after the signal to stop, while ready_path says 503."""

    drain_timeout: Duration = 30.0
    """How long running calls may go on once Nexus listens no more."""

    client_timeout: Timeout = 300.0
    """Nexus gives up a client that takes no bytes, or sends none of its body, for this long."""

    upload_timeout: Timeout = 3600.0
    """How long a whole body may take, however steadily it comes."""

    keep_alive_timeout: Timeout = 620.0
    """How long a connection without a request stays open; keep it longer than a load balancer in front does."""

    max_bytes_in_flight: Size | None = None
    """Bytes of all request bodies together; by default an eighth of the memory beside 96 MiB."""

    health: HealthSettings = HealthSettings.model_construct()
    """The health endpoint."""

    dashboard: DashboardSettings = DashboardSettings.model_construct()
    """The dashboard."""

    metrics: MetricsSettings = MetricsSettings.model_construct()
    """Numbers for Prometheus."""

    keys: GatewayKeys = Field(default_factory=dict)
    """Gateway keys, by the name of their owner."""

    oauth: OAuthSettings | None = None
    """Tokens of an identity provider."""

    client_identification: ClientIdentification = ClientIdentification.model_construct()
    """Whose call it is, for limits and accounts."""

    rate_limits: RequestLimits = RequestLimits.model_construct()
    """How many calls may come, and where all limits are counted."""

    response_store: ResponseStoreSettings = ResponseStoreSettings.model_construct()
    """Translated answers that clients may refer to; kept where limits are counted."""

    client_ip: ClientIpSettings = ClientIpSettings.model_construct()
    """Which headers of a proxy in front Nexus believes."""

    cors: CorsSettings | None = None
    """Which web pages may call; without it none may."""

    csrf: CsrfSettings = CsrfSettings.model_construct()
    """A header that a foreign page's form cannot send."""

    tls: TlsSettings | None = None
    """HTTPS instead of HTTP."""

    @property
    def scheme(self) -> str:
        """Of the URLs that it is called by."""
        return "http" if self.tls is None else "https"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return all(address.is_loopback for address in self.listen_address)

    @property
    def shows_dashboard(self) -> bool:
        """Whether the dashboard is served."""
        return self.is_local if self.dashboard.enabled is None else self.dashboard.enabled

    @property
    def asks_who_calls(self) -> bool:
        """Whether every call needs a credential."""
        return bool(self.keys) or self.oauth is not None

    def problems(self) -> Iterator[Location]:
        if self.max_bytes_in_flight is not None and self.max_bytes_in_flight < self.max_body_size:
            yield ("max_bytes_in_flight",), "is less than max_body_size"
        yield from identity_problems(self.client_identification, self.keys, self.oauth)


def listed_groups(settings: ServerSettings) -> Iterator[str]:
    """The groups that the file names, which are as many as it has words; a token or a header may name others."""
    yield from settings.client_identification.validation.group_values or ()
    yield from (key.group for key in settings.keys.values() if key.group is not None)


def identity_problems(
    settings: ClientIdentification, keys: Mapping[str, GatewayKey], oauth: OAuthSettings | None
) -> Iterator[Location]:
    """What is wrong between the tables of [server] that say who calls; paths begin below ``server``."""
    if not settings.enabled:
        return
    yield from _unknown_groups(settings, keys)
    yield from _sources(settings, has_keys=bool(keys), has_tokens=oauth is not None)
    if settings.validation.group_values and settings.group_id is None:
        where = ("client_identification", "validation", "group_values")
        yield where, "has no effect without client_identification.group_id"


def _sources(settings: ClientIdentification, *, has_keys: bool, has_tokens: bool) -> Iterator[Location]:
    for name, source in (("client_id", settings.client_id), ("group_id", settings.group_id)):
        where = ("client_identification", name)
        if source is None:
            if name == "client_id" and not (has_keys or has_tokens):
                yield where, NOTHING_TO_TELL_BY
            continue
        if source.jwt_claim is not None and not has_tokens:
            yield (*where, "jwt_claim"), "needs [server.oauth] to verify the tokens that claims come from"
        if source.gateway_key and not has_keys:
            yield (*where, "gateway_key"), "needs a key under [server.keys]"
        if name == "client_id" and source.http_header is None and has_keys and has_tokens:
            if not source.gateway_key:
                yield where, "does not identify callers with a gateway key; add gateway_key = true"
            if source.jwt_claim is None:
                yield where, 'does not identify callers with a token; add jwt_claim, such as "sub"'


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
            yield where, "is not among client_identification.validation.group_values"

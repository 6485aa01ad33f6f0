"""The settings file as one value, and the rules that span its tables.

A rule about one table lives with that table; only rules that need two are here. Rules between the tables of [server]
are in ``server``, so that their problems are reported together with all others.
"""

import importlib.util
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from nexus.dataclasses import dataclass, field
from nexus.settings.attribution import source_problems
from nexus.settings.budgets import Budget, BudgetName, budget_problems
from nexus.settings.cloud import CloudSettings
from nexus.settings.files import Stamps
from nexus.settings.limits import NO_REDIS, RateLimits, RedisStorage
from nexus.settings.llm import LlmSettings
from nexus.settings.server import ServerSettings
from nexus.settings.targets import pattern_problems, target_problems
from nexus.settings.telemetry import TelemetrySettings
from nexus.settings.types import Location, Table
from nexus.settings.usage import MEMORY, NONE, UsageSettings


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that settings were read from. ``written_at`` is its modification time, or without a file the time when
    the settings were made, in Unix seconds; ``digest`` identifies its content. ``files`` are the file and those that
    its templates and settings name, stamped when it was read. ``store`` is the URL of the usage store, ``notes`` are
    warnings about keys of Nexus 0.6.
    """

    written_at: float = field(default_factory=time.time)
    digest: str = ""
    files: Stamps = field(default_factory=dict)
    store: str = MEMORY
    notes: tuple[str, ...] = ()


class Settings(Table):
    """All settings."""

    server: ServerSettings = ServerSettings.model_construct()
    """Listening, authentication and limits."""

    llm: LlmSettings
    """Models and providers."""

    budgets: dict[BudgetName, Budget] = Field(default_factory=dict)
    """Spending limits, by name."""

    usage: UsageSettings = UsageSettings.model_construct()
    """Usage ledger: where it is stored and who may read it."""

    telemetry: TelemetrySettings = TelemetrySettings.model_construct()
    """Export to an OpenTelemetry collector."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """The file that the settings were read from."""
        return self._origin

    def of(self, origin: Origin) -> Self:
        """These settings, with their origin set."""
        self._origin = origin
        return self

    @model_validator(mode="before")
    @classmethod
    def _always_llm(cls, data: Any) -> Any:
        """Treats a missing [llm] as empty, so that its own validation reports what is missing."""
        return {"llm": {}, **data} if isinstance(data, dict) else data

    @property
    def attributions(self) -> dict[str, Mapping[str, str]]:
        """``attribution`` of each cloud provider by name."""
        providers = self.llm.providers.items()
        return {name: provider.attribution for name, provider in providers if isinstance(provider, CloudSettings)}

    def problems(self) -> Iterator[Location]:
        keys, llm, tags = self.server.keys, self.llm, self.usage.tags
        groups, tokens = _has_groups(self), self.server.oauth is not None
        yield from self._path_problems()
        yield from limit_problems(self)
        yield from target_problems(llm)
        yield from pattern_problems(keys, llm)
        yield from budget_problems(self.budgets, llm, tags, keys=bool(keys), groups=groups)
        yield from source_problems(self.attributions, tags, keys=bool(keys), groups=groups, tokens=tokens)
        holding = [name for name, provider in llm.providers.items() if provider.files_and_batches]
        if self.usage.store == NONE and holding:
            text = f'cannot be "none": files and batches of {holding[0]} (endpoints) need a record of their owners'
            yield ("usage", "store"), text
        yield from _unknown_readers(self)

    def _path_problems(self) -> Iterator[Location]:
        own, metrics = dict(_own_paths(self.server)), ("server", "metrics", "path")
        if metrics in own and list(own.values()).count(own[metrics]) > 1:
            yield metrics, "is also a path of server.health; choose another one"
        server, page, at = self.server, self.server.dashboard, ("server", "dashboard", "path")
        if server.shows_dashboard:
            taken = [server.health.path, server.health.ready_path] if server.health.enabled else []
            if not {page.path, page.data_path}.isdisjoint(taken):
                yield at, "is also a path of server.health; choose another one"
            own[at] = page.path
        for where, path in own.items() if self.llm.enabled else ():
            if names := list(self.llm.protocols.around(path)):
                yield where, f"is below the path of llm.protocols.{names[0]}; choose another one"


NO_READER = "names a group without members; give it to a key (server.keys.NAME.group), or set group_id"


def _unknown_readers(settings: Settings) -> Iterator[Location]:
    """Entries of ``usage.readers`` that no caller can belong to."""
    who = settings.server.client_identification
    source = who.group_id if who.enabled else None
    if source is not None and (source.http_header is not None or source.jwt_claim is not None):
        known = frozenset(who.validation.group_values or settings.usage.readers)
    else:
        known = frozenset(key.group for key in settings.server.keys.values() if key.group is not None)
    for index, group in enumerate(settings.usage.readers):
        if group not in known:
            yield ("usage", "readers", index), NO_READER


def _own_paths(server: ServerSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """The paths of health and metrics that are served at the address of calls."""
    if server.health.enabled and not server.health.listen:
        yield ("server", "health", "path"), server.health.path
        yield ("server", "health", "ready_path"), server.health.ready_path
    if server.metrics.enabled and not server.metrics.listen_address:
        yield ("server", "metrics", "path"), server.metrics.path


def _has_groups(settings: Settings) -> bool:
    """Whether the settings assign callers to groups."""
    who = settings.server.client_identification
    if who.enabled:
        return who.group_id is not None
    return any(key.group is not None for key in settings.server.keys.values())


NO_GROUPS = "names a group, but callers have no groups; set server.client_identification.enabled and group_id"
NO_GROUP_VALUES = (
    "names a group, but no groups are defined; list them in server.client_identification.validation.group_values"
)
UNKNOWN_GROUP = "is not among server.client_identification.validation.group_values; add it there or fix it here"


def limit_problems(settings: Settings) -> Iterator[Location]:
    """Conflicts between limits and other tables."""
    who = settings.server.client_identification
    known = who.validation.group_values
    unknown = NO_GROUPS if not who.enabled or who.group_id is None else UNKNOWN_GROUP if known else NO_GROUP_VALUES
    for path, limits in limit_tables(settings):
        for group in limits.per_user.groups:
            if unknown is not UNKNOWN_GROUP or group not in known:
                yield (*path, "rate_limits", "per_user", "groups", group), unknown
    if isinstance(settings.server.rate_limits.storage, RedisStorage) and importlib.util.find_spec("redis") is None:
        yield ("server", "rate_limits", "storage", "type"), NO_REDIS


def limit_tables(settings: Settings) -> Iterator[tuple[tuple[str, ...], RateLimits]]:
    """Every ``rate_limits`` table with the path of the provider or model that it limits."""
    for name, provider in settings.llm.providers.items():
        path = ("llm", "providers", name)
        if provider.rate_limits is not None:
            yield path, provider.rate_limits
        for alias, model in provider.models.items():
            if model.rate_limits is not None:
                yield (*path, "models", alias), model.rate_limits

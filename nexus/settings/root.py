"""The whole file as one value, and the rules that span its tables.

A rule about one table lives with that table; here stand only rules that need two. Those between the tables of
[server] stand in ``server``, so that their problems are reported together with all others.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from nexus.files import Stamps
from nexus.settings.attribution import source_problems
from nexus.settings.budgets import Budget, BudgetName, budget_problems
from nexus.settings.identity import ClientIdentification
from nexus.settings.limits import NO_REDIS, RateLimits, RedisStorage
from nexus.settings.llm import LlmSettings
from nexus.settings.server import ServerSettings
from nexus.settings.targets import pattern_problems, target_problems
from nexus.settings.telemetry import TelemetrySettings
from nexus.settings.types import Location, Table, fail_at
from nexus.settings.usage import MEMORY, NONE, UsageSettings


class Settings(Table):
    """Everything that can be configured."""

    server: ServerSettings = ServerSettings.model_construct()
    """The listening side."""

    llm: LlmSettings
    """Models and where they come from."""

    budgets: dict[BudgetName, Budget] = Field(default_factory=dict)
    """How much callers may cost."""

    usage: UsageSettings = UsageSettings.model_construct()
    """Where it is written down who used what, and who may read it."""

    telemetry: TelemetrySettings = TelemetrySettings.model_construct()
    """What is told to an OpenTelemetry collector."""

    _written_at: float = PrivateAttr(default_factory=time.time)
    _digest: str = PrivateAttr("")
    _files: Stamps = PrivateAttr(default_factory=dict)
    _usage_store: str = PrivateAttr(MEMORY)
    _notes: tuple[str, ...] = PrivateAttr(())

    @property
    def written_at(self) -> float:
        """When the file was written that this was read from, in Unix seconds; when it was made, without a file."""
        return self._written_at

    @property
    def digest(self) -> str:
        """Tells one text of the file from another; "" without a file."""
        return self._digest[:12]

    @property
    def files(self) -> Stamps:
        """The file, those that its templates and its settings name, as they were when it was read."""
        return self._files

    @property
    def usage_store(self) -> str:
        """Where usage is written down: in memory without a file."""
        return self._usage_store

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands in the file under a name of Nexus 0.6."""
        return self._notes

    def of_file(
        self, written_at: float, digest: str, files: Stamps, usage_store: str, notes: tuple[str, ...] = ()
    ) -> Self:
        """The same, of a file that was written then."""
        self._written_at, self._digest, self._files = written_at, digest, files
        self._usage_store, self._notes = usage_store, notes
        return self

    @model_validator(mode="before")
    @classmethod
    def _always_llm(cls, data: Any) -> Any:
        """A missing [llm] is an empty one, which then says what it lacks."""
        return {"llm": {}, **data} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _paths_apart(self) -> Self:
        own = dict(_own_paths(self.server))
        for where, path in own.items():
            self._outside_protocols(where, path)
        metrics = ("server", "metrics", "path")
        if metrics in own and list(own.values()).count(own[metrics]) > 1:
            fail_at((metrics, "is the path of health too"))
        return self

    @model_validator(mode="after")
    def _page_apart(self) -> Self:
        server, page = self.server, self.server.dashboard
        if server.shows_dashboard:
            taken = [server.health.path, server.health.ready_path] if server.health.enabled else []
            if not {page.path, page.data_path}.isdisjoint(taken):
                fail_at((("server", "dashboard", "path"), "is a path of server.health"))
            self._outside_protocols(("server", "dashboard", "path"), page.path)
        return self

    def _outside_protocols(self, where: tuple[str, ...], path: str) -> None:
        if self.llm.enabled and (names := list(self.llm.protocols.around(path))):
            fail_at((where, f"lies within the path of llm.protocols.{names[0]}"))

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if places := check_limits(self):
            fail_at(*places)
        return self

    @model_validator(mode="after")
    def _targets_fit(self) -> Self:
        if places := [*target_problems(self.llm), *pattern_problems(self.server.keys or {}, self.llm)]:
            fail_at(*places)
        return self

    @model_validator(mode="after")
    def _budgets_fit(self) -> Self:
        keys, groups = self.server.keys or {}, _has_groups(self)
        if places := [*budget_problems(self.budgets, self.llm, self.usage.tags, keys=bool(keys), groups=groups)]:
            fail_at(*places)
        return self

    @property
    def attributions(self) -> dict[str, Mapping[str, str]]:
        """What each provider's cloud is told of callers."""
        return {name: provider.attributed for name, provider in self.llm.providers.items()}

    @model_validator(mode="after")
    def _attributions_fit(self) -> Self:
        own, tags = self.server, self.usage.tags
        keys, tokens = bool(own.keys), own.oauth is not None
        found = source_problems(self.attributions, tags, keys=keys, groups=_has_groups(self), tokens=tokens)
        if places := [*found]:
            fail_at(*places)
        return self

    @model_validator(mode="after")
    def _owners_are_kept(self) -> Self:
        holding = [name for name, provider in self.llm.providers.items() if provider.held]
        if self.usage.store == NONE and holding:
            text = f'"none" keeps nothing, but it says whose files and batches are that {holding[0]} holds (endpoints)'
            fail_at((("usage", "store"), text))
        return self

    @model_validator(mode="after")
    def _readers_exist(self) -> Self:
        if places := [*_nobodys_groups(self)]:
            fail_at(*places)
        return self


NO_READER = "names a group that nobody is in; give it to a key (server.keys.NAME.group), or set group_id"


def _nobodys_groups(settings: Settings) -> Iterator[Location]:
    """Readers that nobody can be."""
    who = settings.server.client_identification
    source = who.group_id if who.enabled else None
    if source is not None and (source.http_header is not None or source.jwt_claim is not None):
        known = frozenset(who.validation.group_values or settings.usage.readers)
    else:
        known = frozenset(key.group for key in (settings.server.keys or {}).values() if key.group is not None)
    for place, group in enumerate(settings.usage.readers):
        if group not in known:
            yield ("usage", "readers", place), NO_READER


def _own_paths(server: ServerSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is served beside calls, at their address."""
    if server.health.enabled and not server.health.listen:
        yield ("server", "health", "path"), server.health.path
        yield ("server", "health", "ready_path"), server.health.ready_path
    if server.metrics.enabled and not server.metrics.listen_address:
        yield ("server", "metrics", "path"), server.metrics.path


def _has_groups(settings: Settings) -> bool:
    """Whether anything says in which group a caller is."""
    who = settings.server.client_identification
    if who.enabled:
        return who.group_id is not None
    return any(key.group is not None for key in (settings.server.keys or {}).values())


NO_GROUPS = "names a group, but nothing says who is in it; set server.client_identification.enabled and group_id"


NO_GROUP_VALUES = (
    "names a group, but no group is known; list all of them in server.client_identification.validation.group_values"
)


UNKNOWN_GROUP = "is not among server.client_identification.validation.group_values; add it there or correct it here"


def check_limits(settings: Settings) -> tuple[Location, ...]:
    """What is wrong between limits and the rest of a whole ``Settings``, as ``fail_at`` takes it."""
    found: list[Location] = []
    who = settings.server.client_identification
    for path, limits in limit_tables(settings):
        at = (*path, "rate_limits", "per_user")
        message = _groups_message(who)
        for group in limits.per_user.groups:
            if message is not None:
                found.append(((*at, "groups", group), message))
            elif group not in who.validation.group_values:
                found.append(((*at, "groups", group), UNKNOWN_GROUP))
    return (*found, *_storage(settings))


def _groups_message(who: ClientIdentification) -> str | None:
    """What is wrong with every group."""
    if not who.enabled or who.group_id is None:
        return NO_GROUPS
    return None if who.validation.group_values else NO_GROUP_VALUES


def _storage(settings: Settings) -> Iterator[Location]:
    if isinstance(settings.server.rate_limits.storage, RedisStorage) and importlib.util.find_spec("redis") is None:
        yield ("server", "rate_limits", "storage", "type"), NO_REDIS


def limit_tables(settings: Settings) -> Iterator[tuple[tuple[str, ...], RateLimits]]:
    """Every ``rate_limits`` table with the path of what it limits."""
    for name, provider in settings.llm.providers.items():
        path = ("llm", "providers", name)
        if provider.rate_limits is not None:
            yield path, provider.rate_limits
        for alias, model in provider.models.items():
            if model.rate_limits is not None:
                yield (*path, "models", alias), model.rate_limits

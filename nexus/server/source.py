"""The source of a process's settings, for its start and for every reload.

``nexus check``, a start and a reload accept exactly the same settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import reduce
from pathlib import Path
from typing import Any

from nexus.dataclasses import dataclass
from nexus.server import preflight
from nexus.server.listeners import LISTEN, LISTEN_HEALTH, LISTEN_METRICS
from nexus.settings import Problem, Settings, SettingsError, demo_settings, load, located
from nexus.settings.listen import AnyAddress
from nexus.settings.problems import dotted
from nexus.settings.types import Table
from nexus.settings.warnings import exposure

FIXED: tuple[tuple[str, ...], ...] = (
    LISTEN,
    LISTEN_HEALTH,
    LISTEN_METRICS,
    ("server", "socket_mode"),
    ("server", "workers"),
    ("server", "worker_threads"),
    ("server", "rate_limits", "storage"),
    ("usage", "store"),
    ("telemetry",),
)
"""Settings that need a restart: sockets, processes, threads, storage and telemetry."""


@dataclass(frozen=True, slots=True)
class Source:
    """``file`` is None for the demo; ``listen_address`` is from the command line and overrides the file."""

    file: Path | None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    listen_address: tuple[AnyAddress, ...] | None = None

    def read(self) -> Settings:
        """Reads and validates the settings. Raises SettingsError and NoProviders."""
        settings = self._loaded()
        self._check_exposure(settings)
        return settings

    def reread(self, running: Settings) -> tuple[Settings, list[str]]:
        """Reads settings for a process that serves ``running``. Changed settings that need a restart keep their old
        values; their names are returned.

        Raises SettingsError and NoProviders.
        """
        settings, named = self._loaded(), []
        for path in FIXED:
            if _at(settings, path) != _at(running, path):
                settings = _replaced(settings, path, _at(running, path))
                named.append(dotted(path))
        self._check_exposure(settings)
        if found := self.obstacles(settings, running=True):
            raise SettingsError(found, settings.origin.files)
        return settings, named

    def obstacles(self, settings: Settings, *, running: bool) -> list[Problem]:
        """Returns what prevents valid settings from being served here. ``running``: a Nexus already runs, so ports may
        be in use."""
        found = preflight.problems(settings, running=running)
        if self.listen_address is None:
            return located(self.file, found)
        from_flag = [message for path, message in found if path == LISTEN]
        in_file = located(self.file, [place for place in found if place[0] != LISTEN])
        return [*in_file, *(_of_flag(message) for message in from_flag)]

    def _loaded(self) -> Settings:
        settings = load(self.file, self.environ) if self.file is not None else demo_settings()
        return settings if self.listen_address is None else _replaced(settings, LISTEN, self.listen_address)

    def _check_exposure(self, settings: Settings) -> None:
        if (reason := exposure(settings)) is not None:
            found = located(self.file, [(LISTEN, reason)]) if self.listen_address is None else [_of_flag(reason)]
            raise SettingsError(found, settings.origin.files)


def _of_flag(message: str) -> Problem:
    return Problem((), None, message, "nexus: --listen-address")


def _at(table: Table, path: tuple[str, ...]) -> Any:
    return reduce(getattr, path, table)


def _replaced(settings: Settings, path: tuple[str, ...], value: object) -> Settings:
    """Returns a copy with one value replaced; it must come from valid settings."""
    for depth in range(len(path) - 1, -1, -1):
        value = _at(settings, path[:depth]).model_copy(update={path[depth]: value})
    assert isinstance(value, Settings)
    return value

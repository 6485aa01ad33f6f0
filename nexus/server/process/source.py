"""The source of a process's settings, for its start and for every reload, and the outcome of a reload.

``nexus check``, a start and a reload accept exactly the same settings. Invalid settings change nothing;
every problem is logged with its line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from nexus.dataclasses import dataclass, field
from nexus.server.process import preflight
from nexus.server.sockets.listeners import LISTEN_HEALTH, LISTEN_METRICS
from nexus.server.sockets.listening import LISTEN
from nexus.settings import Problem, Settings, SettingsError, demo_settings, load, located
from nexus.settings.files import Stamp, stamps
from nexus.settings.listen import AnyAddress
from nexus.settings.problems import MOST_SHOWN, dotted
from nexus.settings.registry import NoProviders
from nexus.settings.types import Table
from nexus.settings.warnings import exposure, warnings

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


log = logging.getLogger("nexus")


@dataclass(frozen=True, slots=True)
class Accepted:
    """Valid settings; ``fixed`` names the changed ones that need a restart."""

    settings: Settings
    fixed: list[str]

    @property
    def files(self) -> Mapping[Path, Stamp]:
        return self.settings.origin.files


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rejected settings; ``problems`` are lines for the log, and a retry makes sense once one of ``files`` changes."""

    problems: list[Problem | str]
    files: Mapping[Path, Stamp]


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

    def reread(self, running: Settings) -> Accepted | Rejected:
        """Reads and checks settings for a process that serves ``running``; blocks on the file system. Changed settings
        that need a restart keep their old values."""
        # Watch the old settings' files too: a certificate that is missing now may come back.
        before = stamps(running.origin.files)
        try:
            settings, fixed = self._loaded(), []
            for path in FIXED:
                if _at(settings, path) != _at(running, path):
                    settings = _replaced(settings, path, _at(running, path))
                    fixed.append(dotted(path))
            if fixed:
                self._check_kept(settings, fixed)
            self._check_exposure(settings)
            if problems := self.obstacles(settings, running=True):
                raise SettingsError(problems, settings.origin.files)
        except SettingsError as error:
            return Rejected([*error.problems], {**before, **error.files})
        except NoProviders as error:
            return Rejected([str(error)], before)
        return Accepted(settings, fixed)

    def obstacles(self, settings: Settings, *, running: bool) -> list[Problem]:
        """Returns what prevents valid settings from being served here. ``running``: a Nexus already runs, so ports may
        be in use."""
        problems = preflight.problems(settings, running=running)
        if self.listen_address is None:
            return located(self.file, problems)
        from_flag = [message for path, message in problems if path == LISTEN]
        in_file = located(self.file, [problem for problem in problems if problem[0] != LISTEN])
        return [*in_file, *(_of_flag(message) for message in from_flag)]

    def _loaded(self) -> Settings:
        settings = load(self.file, self.environ) if self.file is not None else demo_settings()
        return settings if self.listen_address is None else _replaced(settings, LISTEN, self.listen_address)

    def _check_kept(self, settings: Settings, fixed: list[str]) -> None:
        """Rejects settings that conflict with old values, which they were not validated with. Raises SettingsError."""
        kept = f"; {', '.join(fixed)} must stay as before until a restart"
        if conflicts := [(path, message + kept) for path, message in settings.problems()]:
            raise SettingsError(located(self.file, conflicts), settings.origin.files)

    def _check_exposure(self, settings: Settings) -> None:
        if (reason := exposure(settings)) is not None:
            problems = located(self.file, [(LISTEN, reason)]) if self.listen_address is None else [_of_flag(reason)]
            raise SettingsError(problems, settings.origin.files)


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


def log_rejected(rejected: Rejected) -> None:
    for problem in rejected.problems[:MOST_SHOWN]:
        shown = problem.excerpt if isinstance(problem, Problem) else None
        log.error(str(problem), extra={"fields": {"text": shown.text.strip() if shown else None}})
    fields = {"problems": len(rejected.problems)}
    log.error("invalid configuration; keeping the previous one", extra={"fields": fields})


def log_adopted(before: Settings, good: Accepted) -> None:
    settings = good.settings
    models = sum(len(provider.models) for provider in settings.llm.providers.values())
    fields = {"config": settings.origin.digest or None, "providers": len(settings.llm.providers), "models": models}
    log.info("configuration reloaded", extra={"fields": fields})
    for name in good.fixed:
        log.warning(f"{name} has changed, which takes effect after a restart")
    for warning in sorted(set(warnings(settings)) - set(warnings(before))):
        log.warning(warning)

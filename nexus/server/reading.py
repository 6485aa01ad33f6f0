"""Rereads the settings of a running server and logs the outcome.

An invalid configuration changes nothing; every problem is logged with its line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from nexus.dataclasses import dataclass
from nexus.server.source import Source
from nexus.settings import Problem, Settings, SettingsError
from nexus.settings.files import Stamp, stamps
from nexus.settings.registry import NoProviders
from nexus.settings.warnings import warnings

log = logging.getLogger("nexus")


@dataclass(frozen=True, slots=True)
class Good:
    """Valid settings; ``fixed`` names the changed ones that need a restart."""

    settings: Settings
    fixed: list[str]

    @property
    def files(self) -> Mapping[Path, Stamp]:
        return self.settings.origin.files


@dataclass(frozen=True, slots=True)
class Refused:
    """Rejected settings; ``problems`` are lines for the log, and a retry makes sense once one of ``files`` changes."""

    problems: list[Problem | str]
    files: Mapping[Path, Stamp]


def read(source: Source, running: Settings) -> Good | Refused:
    """Reads and checks the settings. Blocks on the file system."""
    # Watch the old settings' files too: a certificate that is missing now may come back.
    before = stamps(running.origin.files)
    try:
        return Good(*source.reread(running))
    except SettingsError as error:
        return Refused([*error.problems], {**before, **error.files})
    except NoProviders as error:
        return Refused([str(error)], before)


def tell_refused(refused: Refused) -> None:
    for problem in refused.problems:
        shown = problem.excerpt if isinstance(problem, Problem) else None
        log.error(str(problem), extra={"fields": {"text": shown.text.strip() if shown else None}})
    fields = {"problems": len(refused.problems)}
    log.error("invalid configuration; keeping the previous one", extra={"fields": fields})


def tell_adopted(before: Settings, good: Good) -> None:
    settings = good.settings
    models = sum(len(provider.models) for provider in settings.llm.providers.values())
    fields = {"config": settings.origin.digest or None, "providers": len(settings.llm.providers), "models": models}
    log.info("configuration reloaded", extra={"fields": fields})
    for name in good.fixed:
        log.warning(f"{name} has changed, which takes effect after a restart")
    for warning in sorted(set(warnings(settings)) - set(warnings(before))):
        log.warning(warning)

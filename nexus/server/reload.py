"""Takes over a changed configuration, without a failed call: read and built aside, then put in place on the loop.

Law: a configuration that cannot be used changes nothing, and every problem is told with its line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nexus.auth.jwks import MissingPyJwt
from nexus.bridge import Workers
from nexus.commands.warnings import warnings
from nexus.files import Stamp
from nexus.registry import NoProviders
from nexus.server.running import Running
from nexus.server.runtime import Kept, Runtime, build
from nexus.server.service import Notifier
from nexus.server.source import Source
from nexus.server.tls import TlsError
from nexus.server.watch import Watch, stamps
from nexus.settings import Settings, SettingsError

log = logging.getLogger("nexus")

SERVING = "serving"
"""What a service manager is told of a server that does."""

EVERY = 2.0
"""Seconds between two looks at the files."""


@dataclass(frozen=True, slots=True)
class Built:
    """``fixed`` names what changed and cannot, while the process runs."""

    runtime: Runtime
    fixed: list[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """``problems`` are lines for people; ``files`` are those that have to change before another try makes sense."""

    problems: list[str]
    files: Mapping[Path, Stamp]


def read(source: Source, running: Settings, kept: Kept) -> Built | Refused:
    """Any thread; blocks. What is built is the caller's to adopt or close."""
    # What the old settings name counts too: a certificate that is missing now may come back.
    before = stamps(running.files)
    try:
        settings, fixed = source.read_beside(running)
    except SettingsError as error:
        return Refused([str(problem) for problem in error.problems], {**before, **error.files})
    except NoProviders as error:
        return Refused([str(error)], before)
    try:
        return Built(build(settings, kept), fixed)
    except (MissingPyJwt, TlsError) as error:
        return Refused([str(error)], settings.files)


class Reloader:
    """Of one server that runs, until it is stopped. Loop thread only."""

    def __init__(
        self, source: Source, running: Running, notifier: Notifier | None = None, every: float = EVERY
    ) -> None:
        self._source = source
        self._running = running
        self._notifier = notifier or Notifier()
        self._every = every
        self._watch = Watch(running.runtime.settings.files)
        self._aside = Workers(1)
        self._asked = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def ask(self) -> None:
        """Reads the files now, changed or not."""
        self._asked.set()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._aside.stop()

    @property
    def busy(self) -> int:
        """Threads that nobody can wake, where a file system hangs."""
        return self._aside.busy

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._every)
            try:
                if self._asked.is_set() or await self._has_changed():
                    self._asked.clear()
                    self._notifier.reloading()
                    await self._reload()
                    self._notifier.ready(SERVING)
            except Exception:
                log.exception("the configuration could not be read; the one before stays")
                self._notifier.ready(SERVING)

    async def _has_changed(self) -> bool:
        return self._running.runtime.settings.server.watch_config and await self._aside.work(self._watch.has_changed)

    async def _reload(self) -> None:
        running = self._running
        settings, kept = running.runtime.settings, running.server.kept
        found = await self._aside.work(lambda: read(self._source, settings, kept))
        if isinstance(found, Refused):
            self._watch = Watch(found.files)
            tell_refused(found)
        elif running.server.lifecycle.is_stopping:
            found.runtime.uses.close()
        else:
            self._watch = Watch(found.runtime.settings.files)
            running.adopt(found.runtime)
            tell_adopted(settings, found)


def tell_refused(refused: Refused) -> None:
    for problem in refused.problems:
        log.error(problem)
    log.error(
        "the configuration is not used; the one before stays", extra={"fields": {"problems": len(refused.problems)}}
    )


def tell_adopted(before: Settings, built: Built) -> None:
    settings = built.runtime.settings
    models = sum(len(provider.models) for provider in settings.llm.providers.values())
    fields = {"config": settings.digest or None, "providers": len(settings.llm.providers), "models": models}
    log.info("the configuration was read anew", extra={"fields": fields})
    for name in built.fixed:
        log.warning(f"{name} has changed, which takes effect with a restart")
    for warning in sorted(set(warnings(settings)) - set(warnings(before))):
        log.warning(warning)

"""Reloads the configuration without failing a call: reads and builds it on a separate thread, then switches on the
loop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial

from nexus.server.process.running import Running, restore
from nexus.server.process.source import Accepted, Rejected, Source, log_adopted, log_rejected
from nexus.server.runtime import Runtime, build
from nexus.server.sockets.service import Notifier
from nexus.server.threads import Workers
from nexus.settings import Settings
from nexus.settings.files import EVERY, Watch
from nexus.settings.problems import CannotServe

log = logging.getLogger("nexus")

SERVING = "serving"
"""The status reported to a service manager while the server serves."""


class Adopter:
    """Applies settings to a running server. Uses a separate thread, because calls may occupy all workers. Loop thread
    only.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        self.thread = Workers(1)
        self._turn = asyncio.Lock()

    async def adopt(self, settings: Settings) -> Rejected | None:
        """Applies the settings; returns Rejected if they cannot be used. Does nothing if the server is stopping."""
        async with self._turn:
            built = await self.thread.work(lambda: self._build(settings))
            if isinstance(built, Rejected):
                return built
            if self.running.server.lifecycle.is_stopping:
                built.uses.close()
            else:
                self.running.adopt(built)
            return None

    def _build(self, settings: Settings) -> Runtime | Rejected:
        try:
            built = build(settings, self.running.server.kept)
        except CannotServe as error:
            return Rejected([str(error)], settings.origin.files)
        if settings.budgets != self.running.runtime.settings.budgets:
            self.running.restored = restore(self.running.server, built) and self.running.restored
        return built


class Reloader:
    """Watches the configuration files of a single-process server until stopped. Loop thread only."""

    def __init__(
        self, source: Source, running: Running, notifier: Notifier | None = None, every: float = EVERY
    ) -> None:
        self._source = source
        self._adopter = Adopter(running)
        self._notifier = notifier or Notifier()
        self._every = every
        self._watch = Watch(running.runtime.settings.origin.files)
        self._requested = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def request(self) -> None:
        """Requests a reload, whether or not the files have changed."""
        self._requested.set()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._adopter.thread.stop()

    @property
    def busy(self) -> int:
        """Threads that are busy, for example because a file system hangs."""
        return self._adopter.thread.busy

    @property
    def _settings(self) -> Settings:
        return self._adopter.running.runtime.settings

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._requested.wait(), self._every)
            try:
                if self._requested.is_set() or await self._has_changed():
                    self._requested.clear()
                    self._notifier.reloading()
                    await self._reload()
                    self._notifier.ready(SERVING)
            except Exception:
                log.exception("the configuration could not be used; keeping the previous one")
                self._watch.accept()
                self._adopter.running.server.meters.reloaded(read=False)
                self._notifier.ready(SERVING)

    async def _has_changed(self) -> bool:
        return self._settings.server.watch_config and await self._adopter.thread.work(self._watch.has_changed)

    async def _reload(self) -> None:
        before = self._settings
        reread = await self._adopter.thread.work(lambda: self._source.reread(before))
        refused = await self._adopter.adopt(reread.settings) if isinstance(reread, Accepted) else reread
        self._watch = Watch(reread.files)
        self._adopter.running.server.meters.reloaded(read=refused is None)
        if refused is not None:
            log_rejected(refused)
        elif isinstance(reread, Accepted):
            await self._adopter.thread.work(partial(log_adopted, before, reread))

"""Serves with several worker processes and their supervisor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from nexus.protocols.loader import preload
from nexus.server.process import worker
from nexus.server.process.rereading import Rereading
from nexus.server.process.source import Source
from nexus.server.process.supervisor import Supervisor, Workforce
from nexus.server.sockets.listeners import Listeners
from nexus.server.sockets.service import Notifier
from nexus.settings import Settings, registry

log = logging.getLogger("nexus")


def supervise(
    settings: Settings,
    source: Source,
    listeners: Listeners,
    notifier: Notifier,
    count: int,
    up: Callable[[], None],
    store: str,
) -> int:
    """Serves until a signal stops it; returns the exit code. ``up`` is called when all workers listen; ``store`` is the
    URL of the usage store."""
    # Import before forking, once for all workers.
    preload()
    for table in settings.llm.providers.values():
        registry.load(table.type)
    workforce = Workforce(count, partial(worker.run, listeners, store), up)
    code = Supervisor(workforce, listeners, Rereading(source, settings), notifier).run()
    log.info("stopped")
    return code

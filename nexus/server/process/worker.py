"""A worker: one of several processes that serve the same sockets. Its supervisor tells it when to listen.

It ignores a terminal's signals. SIGTERM stops it gracefully, as it does a single process. If the supervisor dies, the
worker ends within a second, even if its loop is blocked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from nexus.processes.frames import BadFrame, Frames
from nexus.processes.peer import Control
from nexus.server import memory
from nexus.server.process.forked import end_now
from nexus.server.process.reload import Adopter
from nexus.server.process.running import RECORDING, TELLING, Running, prepare
from nexus.server.process.source import log_rejected
from nexus.server.shared_state import ADOPTED, BUILT, END, FACT, LISTEN, READY, RELOAD, Member
from nexus.server.sockets.listeners import Listeners
from nexus.settings import Settings
from nexus.settings.problems import CannotServe
from nexus.telemetry import logs

log = logging.getLogger("nexus")

_LAST = 0.8
"""Seconds after the supervisor's death at which the process ends in any case."""


def run(listeners: Listeners, store: str, settings: Settings, member: Member) -> int:
    """Runs a worker to its end; returns the exit code. ``store`` is the URL of the usage store."""
    try:
        return asyncio.run(_serve(settings, listeners, store, member))
    except (CannotServe, OSError) as error:
        log.error(f"a worker cannot serve: {error}")
        return 1


async def _serve(settings: Settings, listeners: Listeners, store: str, member: Member) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    running = prepare(settings, store, member)
    memory.settle()
    commanded = _Commanded(running, member.control)
    commands: dict[str, Callable[..., object]] = {
        LISTEN: lambda: _on(loop, commanded.listen.set),
        FACT: member.board.receive,
        RELOAD: lambda pickled: _on(loop, partial(commanded.reload, pickled)),
        END: lambda: _on(loop, commanded.end),
    }
    _Supervised(member.control.sock, loop, commands, commanded.end_orphaned).start()
    member.control.tell((BUILT,))
    await _either(commanded.listen, stop)
    if not stop.is_set():
        running.listen(listeners)
        member.control.tell((READY,))
    await stop.wait()
    await running.stop()
    if running.server.workers.busy or commanded.adopter.thread.busy:
        end_now(0)
    return 0


class _Commanded:
    """What the supervisor commands. Loop thread only."""

    def __init__(self, running: Running, control: Control) -> None:
        self.listen = asyncio.Event()
        self.adopter = Adopter(running)
        self._running = running
        self._control = control
        self._tasks: set[asyncio.Task[None]] = set()

    def reload(self, pickled: bytes) -> None:
        self._start(self._adopt(pickled))

    def end(self) -> None:
        self._start(_end_at_once(self._running))

    def end_orphaned(self) -> None:
        log.error("the supervisor is gone: this worker stops")
        self.end()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, pickled: bytes) -> None:
        """Applies settings, which the supervisor has read and validated; reports to it whether they are in use."""
        adopted = False
        try:
            if (refused := await self.adopter.adopt(pickle.loads(pickled))) is None:
                adopted = True
            else:
                log_rejected(refused)
        except Exception:
            log.exception("a worker cannot use the configuration; keeping the previous one")
        self._control.tell((ADOPTED, adopted))


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()


async def _end_at_once(running: Running) -> None:
    await running.end_at_once()
    logs.flush(_LAST - TELLING - RECORDING)
    os._exit(1)


class _Supervised(threading.Thread):
    """Reads the supervisor's messages and detects its death: the system closes the stream when that process ends.

    Messages are handled on this thread, by the function in ``commands`` for their first item.
    """

    def __init__(
        self,
        control: socket.socket,
        loop: asyncio.AbstractEventLoop,
        commands: Mapping[str, Callable[..., object]],
        orphaned: Callable[[], None],
    ) -> None:
        super().__init__(name="supervised", daemon=True)
        self._control = control
        self._loop = loop
        self._commands = commands
        self._orphaned = orphaned

    def run(self) -> None:
        frames = Frames()
        try:
            while piece := self._control.recv(65536):
                for word, *rest in frames.feed(piece):
                    self._carry_out(word, rest)
        except (OSError, BadFrame) as error:
            log.debug("lost the connection to the supervisor", exc_info=error)
        self._end()

    def _carry_out(self, word: str, rest: Sequence[object]) -> None:
        """Handles one message. Only logs errors, because the thread must go on to detect the end of the stream."""
        try:
            self._commands[word](*rest)
        except Exception:
            log.exception("a command of the supervisor failed", extra={"fields": {"command": word}})

    def _end(self) -> None:
        if _on(self._loop, self._orphaned):
            time.sleep(_LAST)
            os._exit(1)


def _on(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> bool:
    """Schedules a call on the loop; returns False if the loop is closed, because then the worker is ending anyway."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)
        return True
    return False

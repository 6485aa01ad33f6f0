"""Runs the tests in several processes, which are forks of the one that collected them.

Importing and collecting the tests takes as long as running hundreds of them, so it happens once, whatever ``-n`` says.
``-n 0`` runs all tests in this process, for a debugger.
"""

import gc
import mmap
import os
import struct
import sys
import traceback
from collections.abc import Iterator
from itertools import chain, groupby, pairwise
from multiprocessing.connection import Connection, Pipe, wait
from typing import NoReturn

import pytest
from _pytest.runner import runtestprotocol

_NUMBER = struct.Struct("=I")


def pytest_addoption(parser: pytest.Parser) -> None:
    # The public method reserves letters for pytest.
    group = parser.getgroup("parallel")
    group._addoption("-n", dest="processes", default="0", help='number of processes that run tests, or "auto"')


def _processes(config: pytest.Config) -> int:
    """``auto`` is one more than there are processors, because tests wait."""
    asked: str = config.option.processes
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available + 1, 8) if asked == "auto" else int(asked)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    # The tests of a file stay together, because they share fixtures.
    files = [list(tests) for _, tests in groupby(session.items, lambda item: item.path)]
    processes = min(_processes(session.config), len(files))
    option = session.config.option
    if processes < 2 or option.collectonly or option.usepdb or session.testsfailed:
        return None
    _Workers(session, files, processes).run()
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


class _Workers:
    """``queue`` has the number of each file, and every worker takes the next one from it."""

    def __init__(self, session: pytest.Session, files: list[list[pytest.Item]], processes: int) -> None:
        self._session, self._files = session, files
        self._stopped = mmap.mmap(-1, 1)
        self._queue, queue = os.pipe()
        # The last ones should be short, so that no worker waits for another one: these are the first by name.
        os.write(queue, b"".join(map(_NUMBER.pack, reversed(range(len(files))))))
        os.close(queue)
        self._pids: dict[Connection, int] = {}
        # Each worker gets a folder of its own below this one, which pytest deletes.
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        gc.freeze()
        for number in range(processes):
            reader, writer = Pipe(duplex=False)
            if (pid := os.fork()) == 0:
                self._work(number, writer)
            writer.close()
            self._pids[reader] = pid

    def run(self) -> None:
        """Reports what the workers did. Raises RuntimeError if one died."""
        config, last = self._session.config, dict.fromkeys(self._pids, "no test")
        running = set(self._pids)
        try:
            while running:
                for reader in wait(running):
                    assert isinstance(reader, Connection)
                    try:
                        data = reader.recv()
                    except EOFError:
                        running.remove(reader)
                        continue
                    report = config.hook.pytest_report_from_serializable(config=config, data=data)
                    last[reader] = report.nodeid
                    config.hook.pytest_runtest_logreport(report=report)
                    if self._session.shouldfail or self._session.shouldstop:
                        self._stopped[0] = 1
        finally:
            self._stopped[0] = 1
            os.close(self._queue)
            for reader in self._pids:
                reader.close()
            ends = [os.waitpid(pid, 0)[1] for pid in self._pids.values()]
        for reader, status in zip(self._pids, ends, strict=True):
            if status:
                raise RuntimeError(
                    f"a worker ended with status {os.waitstatus_to_exitcode(status)} after {last[reader]}"
                )

    def _work(self, number: int, writer: Connection) -> NoReturn:
        status = 1
        try:
            _settle(self._session.config, number)
            for item, following in pairwise(chain(self._tests(), [None])):
                assert item is not None
                _run(item, following, writer)
            self._session.config._ensure_unconfigure()
            status = 0
        except (KeyboardInterrupt, BrokenPipeError):
            pass  # the first process says why it ends
        except BaseException:  # noqa: BLE001 - whatever ends a worker is shown
            traceback.print_exc(file=sys.__stderr__)
        finally:
            # Skips what the first process registered for its own end.
            os._exit(status)

    def _tests(self) -> Iterator[pytest.Item]:
        while number := os.read(self._queue, _NUMBER.size):
            for item in self._files[_NUMBER.unpack(number)[0]]:
                if self._stopped[0]:
                    return
                yield item


def _settle(config: pytest.Config, number: int) -> None:
    """Replaces what a process must not share with others: captured output, and folders."""
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / f"worker-{number}"
    factory._basetemp.mkdir(mode=0o700)
    state = os.path.join(os.environ["XDG_STATE_HOME"], f"worker-{number}")
    os.mkdir(state)
    os.environ["XDG_STATE_HOME"] = state


def _run(item: pytest.Item, following: pytest.Item | None, writer: Connection) -> None:
    """Sends one report of a test that passes, without what is never shown."""
    hook = item.ihook
    for report in runtestprotocol(item, log=False, nextitem=following):
        if report.passed:
            report.keywords, report.sections = {}, []
        if report.when == "call" or not report.passed:
            writer.send(hook.pytest_report_to_serializable(config=item.config, report=report))

"""Fixtures: the two fake vendors, a server in front of them, and secret detection in every test."""

import functools
import gc
import importlib
import logging
import os
import signal
import ssl
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest import logging as pytest_logging
from _pytest.runner import runtestprotocol

from nexus.accounting import ledger, sqlite
from nexus.server.http import client_stream
from nexus.settings.warnings import _FOR_AUTHORITIES, _FOR_PROXIES
from nexus.upstream import transport
from tests import examples
from tests.console import command as command
from tests.leaks import LEAKS, attribute_to, checking_output, fail_on, lower_levels
from tests.peers import fresh_heap as fresh_heap
from tests.peers import no_leak as no_leak
from tests.peers import tls as tls
from tests.secrets import cut
from tests.server.vendors import stand as stand
from tests.serving import Nexus, anthropic_config, openai_config
from tools.fake_upstream import FakeUpstream

Serve = Callable[..., Nexus]


def _keep_in_memory(folder: str = "/dev/shm") -> None:
    """Keeps the files of tests in memory: creating and deleting them on disk takes longer than most tests."""
    if "TMPDIR" in os.environ or not os.access(folder, os.W_OK | os.X_OK):
        return
    found = os.statvfs(folder)
    # In containers it is often small, or mounted without permission to execute.
    if found.f_bavail * found.f_frsize >= 2**30 and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = folder


_keep_in_memory()
STATE = tempfile.TemporaryDirectory(prefix="nexus-state-")


def pytest_configure(config: pytest.Config) -> None:
    """Enables logging of everything."""
    # Modules and tests are never garbage, and searching them for garbage takes a seventh of the collection time.
    gc.disable()
    lower_levels()
    # Those that a background job or nohup ignores would be ignored by the servers that tests start.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    # Programs that tests start must not leave files in this machine's state folder.
    os.environ["XDG_STATE_HOME"] = STATE.name
    # Proxy and CA variables of this machine must not affect tests.
    for name in (*_FOR_PROXIES, *_FOR_AUTHORITIES):
        os.environ.pop(name, None)
    _share_context_of_sdks()
    # Durability does not matter in tests, and waiting for the disk when a server stops takes longer than most tests.
    sqlite.SYNCHRONOUS = "OFF"
    # Many tests wait for these intervals. Processes that tests start keep the product's defaults.
    client_stream.LOOK, ledger.LINGER = 0.02, 0.1
    pytest_logging.catching_logs = AtTheRoot  # type: ignore[misc]
    # urllib3 fills every slot of a new pool and empties it at the end, and each test has its own pools.
    transport._POOL_SIZE = 64


class AtTheRoot(pytest_logging.catching_logs[Any]):
    """Without loggers that do not propagate, for which pytest searches all loggers six times in each test."""

    def __enter__(self) -> Any:
        if self.level is not None:
            return super().__enter__()
        logging.getLogger().addHandler(self.handler)
        return self.handler

    def __exit__(self, *ended: Any) -> None:
        if self.level is not None:
            return super().__exit__(*ended)
        logging.getLogger().removeHandler(self.handler)
        return None


def pytest_xdist_auto_num_workers() -> int | None:
    """One more than there are processors, because tests wait; no more, because each worker collects every test."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else min(len(os.sched_getaffinity(0)) + 1, 8)


def pytest_sessionstart(session: pytest.Session) -> None:
    """pytest shows and ``caplog`` keeps warnings and errors only.

    The option ``log_level`` does the same, but sets the root level four times in each phase of each test, which takes
    longer than most tests.
    """
    plugin = session.config.pluginmanager.get_plugin("logging-plugin")
    if plugin is not None and session.config.option.log_level is None:
        for handler in (plugin.caplog_handler, plugin.report_handler):
            handler.setLevel(logging.WARNING)


def pytest_collection(session: pytest.Session) -> None:
    """Each worker starts to import the tests at another place, and finds most of them rewritten by the others.

    Each assertion is then rewritten once and not once per worker, which takes a third of the collection time.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        # Collection finds and reports any error in it again.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Imported modules stay, so the garbage collector skips them in every test and runs less often."""
    examples.store_codecs()
    gc.freeze()
    gc.set_threshold(2_000, 20, 100)
    gc.enable()


NEEDS_REDIS = frozenset({"_shared_redis", "mortal_redis", "nodes", "redis", "start_redis"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not NEEDS_REDIS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


def _share_context_of_sdks() -> None:
    """Otherwise each SDK client reloads all certificate authorities, even for connections without TLS."""
    for name in ("httpx._config", "httpx._transports.default", "httpx2._config", "httpx2._transports.default"):
        with suppress(ImportError):
            module = importlib.import_module(name)
            module.create_ssl_context = _shared(module.create_ssl_context)  # type: ignore[attr-defined]


def _shared(create: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    default = functools.cache(create)

    def create_ssl_context(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        plain = not args and kwargs.get("verify", True) is True and kwargs.get("cert") is None
        return default() if plain else create(*args, **kwargs)

    return create_ssl_context


# Hooks instead of autouse fixtures: requesting a fixture costs a tenth of a short test.
@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    with checking_output():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    attribute_to(item.nodeid)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """A leaked secret fails the test that leaked it, including leaks by its fixtures."""
    yield
    fail_on(LEAKS.take())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A worker sends one message for a test that passes, because six of them took longer than most tests."""
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.passed:
            # Reports that are never shown are not sent.
            report.keywords, report.sections = {}, []
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows its captured output, with any leaked secret."""
    report = yield
    report.sections = [(name, cut(text)) for name, text in report.sections]
    return report


@pytest.fixture
def openai_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai") as upstream:
        yield upstream


@pytest.fixture
def anthropic_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("anthropic") as upstream:
        yield upstream


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server for a configuration text; stops it after the test."""
    with ExitStack() as stack:
        yield lambda toml: stack.enter_context(Nexus.of(toml, tmp_path))


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    """Both vendors behind one server with default settings."""
    return serve(openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url))

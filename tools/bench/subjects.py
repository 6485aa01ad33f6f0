"""Subjects of the benchmark: Nexus, the prototypes, and any gateway that already runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tools.bench.machine import ALL_CORES, GATEWAY_CORES, LOAD_CORES, Program, listener, pin
from tools.bench.nexus_toml import HEADERS, PATHS, config
from tools.ports import free_port

GLANCE = "stream-5-5"
PACE = "stream-100-20"
PACES = (GLANCE, PACE)
"""Models that stream; see ``tools.bench.vendor``."""

ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
"""The environment in which ``deploy/`` starts Nexus; the prototypes get it, too."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A running gateway. ``paths`` by client dialect; ``model`` returns its name for a vendor's model in a dialect."""

    name: str
    port: int
    process: int
    paths: Mapping[str, str]
    headers: Mapping[str, str]
    model: Callable[[str, str], str]
    store: int = 0
    """Process id of its Redis, 0 without one."""

    load_cores: frozenset[int] = frozenset(LOAD_CORES)
    """Cores for its clients and the vendor."""


Start = Callable[[Path, str], AbstractContextManager[Subject]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of subject. ``start`` takes a folder and the vendor's URL; ``calls_vendor`` and ``translates`` tell what
    it can do, ``runs`` that it is running already."""

    name: str
    start: Start = field(repr=False)
    calls_vendor: bool = True
    translates: bool = False
    runs: bool = False


@contextmanager
def _nexus(folder: Path, vendor: str, *, workers: int = 1, books: bool = False, redis: str = "") -> Iterator[Subject]:
    with free_port() as port:
        file = folder / f"nexus-{port}.toml"
        file.write_text(config(port, vendor, models=PACES, workers=workers, books=books, redis=redis))
        command = [sys.executable, "-m", "nexus", "-c", str(file)]
        cores, load_cores = (ALL_CORES, ALL_CORES) if workers > 1 else (GATEWAY_CORES, LOAD_CORES)
        with Program(command, port, cores, {"XDG_STATE_HOME": str(folder), **ALLOCATOR}) as program:
            subject = Subject("Nexus", port, program.pid, PATHS, HEADERS, lambda dialect, name: f"{dialect}/{name}")
            yield replace(subject, load_cores=frozenset(load_cores))


@contextmanager
def _nexus_with_redis(folder: Path, vendor: str) -> Iterator[Subject]:
    with free_port() as port:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        url = f"redis://127.0.0.1:{port}/0"
        with Program(command, port, LOAD_CORES) as redis, _nexus(folder, vendor, redis=url) as it:
            yield replace(it, store=redis.pid)


@contextmanager
def _prototype(kind: str, vendor: str) -> Iterator[Subject]:
    with free_port() as port:
        command = [sys.executable, "-m", "tools.bench.prototypes", kind, str(port), vendor]
        paths = {"chat": "/v1/chat/completions"}
        with Program(command, port, GATEWAY_CORES, ALLOCATOR) as program:
            yield Subject(kind, port, program.pid, paths, {}, lambda dialect, name: f"{dialect}/{name}")


@contextmanager
def _peer(name: str, url: str, headers: Mapping[str, str]) -> Iterator[Subject]:
    parts = urlsplit(url)
    port = parts.port or 80
    process = listener(port)
    pin(process, GATEWAY_CORES)
    paths = {"chat": f"{parts.path.rstrip('/')}/chat/completions"}
    yield Subject(name, port, process, paths, headers, lambda _, model: model)


NEXUS = Kind("Nexus", _nexus, translates=True)
BOOKS = Kind("Nexus, ledger, metrics and page on", lambda folder, vendor: _nexus(folder, vendor, books=True))
WITH_REDIS = Kind("Nexus, limits in Redis", _nexus_with_redis)
TWO_WORKERS = Kind("Nexus, 2 workers", lambda folder, vendor: _nexus(folder, vendor, workers=2))
FLOOR = Kind("floor", lambda _, vendor: _prototype("floor", vendor))
BARE = Kind("bare Tornado", lambda _, vendor: _prototype("bare", vendor), calls_vendor=False)


def peer(name: str, url: str, headers: Mapping[str, str]) -> Kind:
    """A gateway that runs on this machine. ``url`` is its OpenAI base URL; it must forward the benchmark's model names
    to the benchmark's vendor."""
    return Kind(name, lambda _, __: _peer(name, url, headers), runs=True)

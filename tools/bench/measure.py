"""Measures one subject under one load: its CPU and memory, and what its clients see."""

from __future__ import annotations

import compileall
import http.client
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import nexus
from tools.bench.bodies import body
from tools.bench.load import Load, Seen
from tools.bench.machine import cpu, listener, memory, pin, vendor
from tools.bench.subjects import Kind, Subject
from tools.ports import free_port

_ROOT = Path(nexus.__file__).parents[1]
CONNECTIONS = 10_000
TURNS = 9
"""Measurements of each of the subjects that are compared in turns."""

LOOK = 0.25
"""Seconds between two samples of a subject's memory."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What clients saw, the seconds of CPU used, and the peak memory in MB; ``store`` is the seconds of CPU that the
    subject's Redis used."""

    seen: Seen
    cpu: float
    memory: float
    store: float = 0.0

    @property
    def per_call(self) -> float:
        """ms of CPU per call."""
        return self.cpu * 1000 / self.seen.calls if self.seen.calls else float("nan")

    @property
    def per_10k(self) -> float:
        """Seconds of CPU per 10,000 deltas."""
        return self.cpu * 10_000 / self.seen.deltas if self.seen.deltas else float("nan")


class MeasurementFailed(Exception):
    """A subject answered incorrectly, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """``vendor`` is the port of the vendor; ``seconds`` is the duration of a closed loop of whole answers."""

    folder: Path
    vendor: int
    seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.vendor}"

    @contextmanager
    def running(self, kind: Kind) -> Iterator[tuple[Subject, float]]:
        """The started subject, and the seconds from its start to its first answer. Raises MeasurementFailed."""
        began = time.monotonic()
        with kind.start(self.folder, self.url) as subject:
            self._ask(subject)
            yield subject, time.monotonic() - began

    def _ask(self, subject: Subject) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=60)
        headers = {"content-type": "application/json", **subject.headers}
        try:
            asked = body("chat", 300, subject.model("chat", "whole"))
            connection.request("POST", subject.paths["chat"], asked, headers)
            response = connection.getresponse()
            if response.status != 200:
                raise MeasurementFailed(f"{subject.name} answered {response.status}: {response.read()[:300]!r}")
        finally:
            connection.close()

    def whole(self, subject: Subject, size: int, *, client: str = "chat", clients: int = 16) -> Taken:
        """Whole answers to bodies of ``size`` bytes, in a closed loop, after a warm-up. Raises MeasurementFailed."""
        load = self._load(subject, client, size, "whole", clients)
        self.take(subject, replace(load, seconds=self.seconds / 3))
        return self.take(subject, load)

    def in_turns(self, subjects: Sequence[Subject], size: int, *, clients: int = 16) -> list[Taken]:
        """The measurement of each subject with the median CPU per call, of several that were made in turns. Raises
        MeasurementFailed."""
        taken: list[list[Taken]] = [[] for _ in subjects]
        for _ in range(TURNS):
            for subject, its in zip(subjects, taken, strict=True):
                its.append(self.whole(subject, size, clients=clients))
        return [sorted(its, key=lambda one: one.per_call)[TURNS // 2] for its in taken]

    def streams(
        self, subject: Subject, count: int, pace: str, *, client: str = "chat", ramp: float = 0.0, rounds: int = 1
    ) -> Taken:
        """Measures ``count`` concurrent streams, ``rounds`` times. Raises MeasurementFailed."""
        load = self._load(subject, client, 2000, pace, count)
        load = replace(load, calls=count * rounds, deltas=int(pace.split("-")[1]), ramp=ramp, seconds=60)
        return self.take(subject, load)

    def connection(self, subject: Subject) -> float:
        """Memory per idle connection in kB, measured with as many as this process may open, up to ``CONNECTIONS``."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(CONNECTIONS, hard - 200 if hard > 0 else CONNECTIONS)
        before = memory(subject.process)
        with ExitStack() as opened:
            for _ in range(count):
                opened.enter_context(socket.create_connection(("127.0.0.1", subject.port), timeout=60))
            # This connection is the last in the queue: its answer shows that all were accepted.
            self._ask(subject)
            taken = memory(subject.process) - before
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return taken * 1000 / count

    def direct(self, count: int, pace: str) -> Taken:
        """Measures the same streams without a gateway."""
        paths = {"chat": "/v1/chat/completions"}
        nobody = Subject("nobody", self.vendor, 0, paths, {}, lambda _, model: model)
        return self.streams(nobody, count, pace)

    def _load(self, subject: Subject, client: str, size: int, model: str, clients: int) -> Load:
        asked = body(client, size, subject.model("chat", model), stream=model != "whole")
        file = self.folder / f"{client}-{size}-{subject.port}-{model}.json"
        file.write_bytes(asked)
        return Load(
            subject.port, subject.paths[client], str(file), clients, self.seconds, headers=dict(subject.headers)
        )

    def take(self, subject: Subject, load: Load) -> Taken:
        """Runs the load against the subject. Raises MeasurementFailed if more than 1 % of the calls fail."""
        before, stored, most = cpu(subject.process), cpu(subject.store), 0.0
        command = [sys.executable, "-m", "tools.bench.load", json.dumps(asdict(load))]
        pin(listener(self.vendor), subject.load_cores)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            pin(clients.pid, subject.load_cores)
            while clients.poll() is None:
                most = max(most, memory(subject.process))
                time.sleep(min(LOOK, load.seconds / 10))
            assert clients.stdout is not None
            seen = Seen(**json.loads(clients.stdout.read()))
        if seen.failed * 100 > seen.calls:
            raise MeasurementFailed(f"{subject.name}: {seen.calls} answers, and failures: {seen.failures}")
        return Taken(seen, cpu(subject.process) - before, most, cpu(subject.store) - stored)


@contextmanager
def bench(folder: Path, seconds: float, port: int = 0) -> Iterator[Bench]:
    """A bench with a running vendor, on ``port`` or a free port."""
    # A start that compiles takes three times as long and 3 MB more, with PYTHONDONTWRITEBYTECODE every one.
    for package in ("nexus", "providers", "tools"):
        compileall.compile_dir(_ROOT / package, quiet=2)
    with nullcontext(port) if port else free_port() as vendor_port, vendor(vendor_port):
        yield Bench(folder, vendor_port, seconds)

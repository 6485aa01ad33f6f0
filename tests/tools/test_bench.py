"""The benchmark runs, counts, and detects what would make its figures meaningless. No figure is judged."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import create_server
from xml.etree import ElementTree

import pytest

from tools.bench.answers import LAST_CHUNK, chunk
from tools.bench.bodies import body
from tools.bench.load import Load, quantiles
from tools.bench.measure import MeasurementFailed, bench
from tools.bench.page import carried, measured
from tools.bench.plots import plot
from tools.bench.rows import FIRST, IDLE, LARGE, SMALL, START, medians, table
from tools.bench.scripted import LANES
from tools.bench.steps import compare
from tools.bench.subjects import ALLOCATOR, BARE, FLOOR, GLANCE, NEXUS, Kind, Subject
from tools.bench.work import BUDGET, over

ROOT = Path(__file__).parents[2]
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="epoll, affinity and /proc are Linux's")


@needs_linux
@pytest.mark.slow
@pytest.mark.parametrize("kind", [NEXUS, FLOOR, BARE], ids=lambda kind: kind.name)
def test_a_subject_is_measured(kind: Kind, tmp_path: Path) -> None:
    with bench(tmp_path, seconds=0.2) as running, running.running(kind) as (subject, start):
        taken = [running.whole(subject, 2000, clients=2)]
        if kind.calls_vendor:
            taken.append(running.streams(subject, 3, GLANCE))
            assert taken[-1].seen.deltas == 15
        if kind.translates:
            taken.append(running.streams(subject, 3, GLANCE, client="messages"))
        assert start > 0
        for one in taken:
            assert one.seen.calls and not one.seen.failures and one.memory > 1


@needs_linux
@pytest.mark.slow
def test_a_peer_that_fails_only_lacks_its_figures(tmp_path: Path) -> None:
    started: list[Subject] = []

    @contextmanager
    def start(folder: Path, vendor: str) -> Iterator[Subject]:
        if started:
            raise MeasurementFailed("full")
        with BARE.start(folder, vendor) as subject:
            started.append(subject)
            yield subject

    with bench(tmp_path, seconds=0.2) as running:
        found = compare(running, [BARE], [Kind("peer", start)], 1)
    assert found[BARE.name].keys() == {START, IDLE, SMALL, LARGE}
    assert found["peer"] == {}


@needs_linux
def test_the_vendor_answers_without_a_gateway(tmp_path: Path) -> None:
    with bench(tmp_path, seconds=0.2) as running:
        seen = running.direct(4, GLANCE).seen
    assert (seen.calls, seen.deltas, seen.failures) == (4, 20, {})


def stamped(*numbers: int) -> bytes:
    """A stream with deltas of these numbers."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(chunk(b"data: @%016d:%05d \n\n" % (1, number)) for number in numbers) + LAST_CHUNK


BROKEN = {
    "reordered": (stamped(0, 2, 1, 3), "lost or reordered"),
    "lost": (stamped(0, 1, 3), "short"),
    "refused": (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503"),
    "cut": (stamped(0, 1)[:-7], "connection closed"),
}


@needs_linux
@pytest.mark.slow
@pytest.mark.parametrize("answer, failure", BROKEN.values(), ids=BROKEN)
def test_a_broken_stream_gives_no_figure(answer: bytes, failure: str, tmp_path: Path) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    asked = tmp_path / "body.json"
    asked.write_bytes(body("chat", 300, "any", stream=True))
    with create_server(("127.0.0.1", 0)) as listener, bench(tmp_path, seconds=0.2) as running:
        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        nobody = Subject("nobody", port, 0, {}, {}, lambda _, model: model)
        with pytest.raises(MeasurementFailed, match=failure):
            running.take(nobody, Load(port, "/", str(asked), 1, 5, calls=1, deltas=4))


@pytest.mark.slow
def test_counting_a_lane_twice_gives_the_same_figures() -> None:
    command = [sys.executable, "-m", "tools.bench.work", "--top", "5000", "chat-chat"]
    counted = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    first, second = (dict(line.split(maxsplit=1)[::-1] for line in text.splitlines()) for text in counted)
    # The counter itself is not counted, and each function of ours runs equally often.
    ours = [name for name in first if name.startswith(("gateway/", "chat/"))]
    assert len(ours) > 10
    assert {name: first[name] for name in ours} == {name: second.get(name) for name in ours}


def test_nexus_is_measured_as_deploy_starts_it() -> None:
    variable = "".join(f"{name}={value}" for name, value in ALLOCATOR.items())
    for file, line in (("Dockerfile", f"ENV {variable}"), ("nexus.service", f"Environment={variable}")):
        assert line in (ROOT / "deploy" / file).read_text().splitlines()


def test_every_lane_has_a_budget() -> None:
    assert json.loads(BUDGET.read_text()).keys() == {lane.name for lane in LANES}


def test_more_than_ten_percent_extra_work_is_reported() -> None:
    assert over({"a": 1100, "b": 900}, {"a": 1000, "b": 1000}) == []
    wrong = over({"a": 1101, "new": 5}, {"a": 1000, "gone": 5})
    assert [line.partition(":")[0] for line in wrong] == ["new", "gone", "a"]


def test_bodies_have_the_requested_size() -> None:
    for dialect in ("chat", "messages", "responses"):
        for size in (1000, 2000, 60_000, 1_000_000):
            assert size * 0.8 < len(body(dialect, size, "any")) < size * 1.1, (dialect, size)


def test_quantiles_are_the_median_the_99th_percentile_and_the_maximum() -> None:
    assert quantiles([float(number) for number in range(101)]) == (50, 99, 100)
    assert quantiles([]) == (0, 0, 0)


def test_the_table_has_a_column_for_each_subject_and_multiples_of_the_floor() -> None:
    found = {"Nexus": medians([{SMALL: 0.8, FIRST: 3}, {SMALL: 0.6, FIRST: 2}, {SMALL: 0.7}]), "floor": {SMALL: 0.5}}
    head, first, *_ = table(found).splitlines()
    assert head.split() == ["Nexus", "floor", "x", "floor", "goal"]
    assert first.split()[-6:] == ["call", "0.70", "0.50", "1.40", "1.5", "x"]


def test_calls_per_core_follow_from_their_cost() -> None:
    figures = {SMALL: 0.5}
    assert list(carried(figures).values()) == [(2000, 1400)]
    assert "2000, 1400" in measured({"Nexus": figures, "floor": figures}, datetime(2026, 1, 2, tzinfo=UTC), 0.5)


def test_a_plot_holds_all_its_points() -> None:
    drawn = ElementTree.fromstring(plot("A & b", "bytes", "ms", {"one": [(1000, 0.5), (5e6, 40)], "two": [(1000, 1)]}))
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    circles = [node for node in drawn.iter() if node.tag.endswith("circle")]
    assert len(circles) == 3
    assert all(0 < float(it.attrib["cx"]) < width and 0 < float(it.attrib["cy"]) < height for it in circles)

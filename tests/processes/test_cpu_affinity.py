"""A busy process is pinned to one core, and unpinned when it is idle or when others need the core."""

import ast
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import astuple

import pytest

from nexus.processes.cpu_affinity import PAUSE, Affinity, Cores, Sample, open_affinity

ALL = frozenset({0, 1, 2})
needs_cores = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)


class FakeCores(Cores):
    """Four seconds pass between two samples."""

    def __init__(self, allowed: frozenset[int] = ALL) -> None:
        self.now = Sample(0.0, 0.0, 0.0, 0.001)
        self.on = 1
        self.others: Counter[int] = Counter()
        self.set: list[frozenset[int]] = [allowed]

    def after(self, used: float, ran: float = 0.0, waited: float = 0.0) -> None:
        """Sets CPU seconds of the process and its main thread, and the thread's wait, for the next four seconds."""
        now = self.now
        self.now = Sample(now.at + 4, now.used + used, now.ran + ran, now.waited + waited)

    def sample(self) -> Sample:
        return self.now

    def current(self) -> int:
        return self.on

    def kept(self) -> Counter[int]:
        return self.others

    def allowed(self) -> frozenset[int]:
        return self.set[-1]

    def allow(self, cores: frozenset[int]) -> None:
        self.set.append(cores)


def kept(cores: FakeCores) -> Affinity:
    affinity = Affinity(cores)
    cores.after(used=2, ran=2)
    affinity.tick()
    assert affinity.core == 1 and cores.allowed() == {1}
    return affinity


def test_a_busy_process_is_pinned_until_it_was_idle_for_a_while() -> None:
    cores = FakeCores()
    affinity = kept(cores)
    for used in (0.3, 0.1, 0.1, 0.3, 0.1, 0.1):
        cores.after(used=used)
        affinity.tick()
        assert affinity.core == 1
    cores.after(used=0.1)
    affinity.tick()
    assert affinity.core is None and cores.set == [ALL, {1}, ALL]


def test_waiting_for_its_own_threads_does_not_unpin_a_process() -> None:
    cores = FakeCores()
    affinity = kept(cores)
    cores.after(used=4, ran=1, waited=3)
    affinity.tick()
    assert affinity.core == 1


def test_a_process_leaves_a_crowded_core_and_is_pinned_again_after_a_pause() -> None:
    cores = FakeCores()
    affinity = kept(cores)
    cores.after(used=2, ran=2, waited=2)
    affinity.tick()
    assert affinity.core == 1, "another worker may leave it"
    cores.after(used=2, ran=2, waited=2)
    affinity.tick()
    assert affinity.core is None and cores.allowed() == ALL
    cores.on = 2
    for passed in range(4, int(PAUSE), 4):
        cores.after(used=4, ran=4)
        affinity.tick()
        assert affinity.core is None, passed
    cores.after(used=4, ran=4)
    affinity.tick()
    assert affinity.core == 2 and cores.allowed() == {2}


def test_a_core_that_is_crowded_at_times_is_not_left() -> None:
    cores = FakeCores()
    affinity = kept(cores)
    for waited in (2, 0, 2, 0):
        cores.after(used=2, ran=2, waited=waited)
        affinity.tick()
    assert affinity.core == 1


def test_workers_choose_different_cores() -> None:
    cores = FakeCores()
    cores.others = Counter({0: 1, 1: 1})
    affinity = Affinity(cores)
    cores.after(used=2, ran=2)
    affinity.tick()
    assert affinity.core == 2 and cores.allowed() == {2}


def test_more_workers_than_cores_share_them_evenly() -> None:
    cores = FakeCores()
    cores.others = Counter({0: 2, 1: 2, 2: 1})
    affinity = Affinity(cores)
    cores.after(used=2, ran=2)
    affinity.tick()
    assert affinity.core == 2


def test_of_two_workers_that_chose_the_same_core_one_moves_at_once() -> None:
    cores = FakeCores()
    affinity = kept(cores)
    cores.others = Counter({1: 1, 0: 1})
    cores.after(used=2, ran=2, waited=2)
    affinity.tick()
    assert affinity.core == 2 and cores.set[-1] == {2}
    cores.on = 2
    for _ in range(3):
        cores.after(used=0.1)
        affinity.tick()
    assert affinity.core is None and cores.allowed() == ALL


def test_an_affinity_set_by_others_is_not_changed() -> None:
    cores = FakeCores()
    affinity = kept(cores)
    cores.allow(frozenset({0, 2}))
    for _ in range(5):
        cores.after(used=4, ran=4)
        affinity.tick()
    affinity.release()
    assert affinity.core is None and cores.allowed() == {0, 2}


def test_a_process_is_not_pinned_if_the_system_does_not_count_waiting() -> None:
    cores = FakeCores()
    cores.now = Sample(0.0, 0.0, 0.0, 0.0)
    affinity = Affinity(cores)
    cores.after(used=4, ran=4)
    affinity.tick()
    assert affinity.core is None and cores.set == [ALL]


@pytest.mark.parametrize("allowed", [frozenset({1}), frozenset({0, 2})], ids=["one core", "no longer allowed"])
def test_a_process_without_a_choice_of_cores_is_not_changed(allowed: frozenset[int]) -> None:
    cores = FakeCores(allowed)
    affinity = Affinity(cores)
    cores.after(used=4, ran=4)
    affinity.tick()
    assert affinity.core is None and cores.set == [allowed]


def test_a_loop_outside_the_main_thread_does_not_set_affinity() -> None:
    found: list[Affinity | None] = []
    thread = threading.Thread(target=lambda: found.append(open_affinity()))
    thread.start()
    thread.join()
    assert found == [None]


@needs_cores
def test_samples_are_read_from_this_system() -> None:
    cores = Cores()
    before = cores.sample()
    assert cores.current() in cores.allowed()
    assert all(later >= earlier for earlier, later in zip(astuple(before), astuple(cores.sample()), strict=True))


BUSY = """
import threading
from nexus.processes.cpu_affinity import Cores
there = threading.Event()
threading.Thread(target=there.wait, daemon=True).start()
cores = Cores()
cores.allow(frozenset({cores.current()}))
born = []
thread = threading.Thread(target=lambda: born.append(cores.allowed()))
thread.start()
thread.join()
import os
print(*sorted({len(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")}), len(born[0]))
"""


@needs_cores
def test_the_cores_of_other_workers_are_read_from_this_system() -> None:
    """Other children of this process's parent, as the workers of a supervisor are."""
    core = min(os.sched_getaffinity(0))
    script = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); print(1, flush=True); sys.stdin.read()"
    asked = "from nexus.processes.cpu_affinity import Cores; print(dict(Cores().kept()))"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdout.readline()
        found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
        worker.stdin.close()
    assert ast.literal_eval(found).get(core, 0) >= 1


@needs_cores
def test_existing_and_new_threads_are_pinned() -> None:
    found = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, check=True)
    assert found.stdout == "1 1\n"

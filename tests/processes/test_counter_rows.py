"""Rows of numbers of several processes: sums over all, which survive the end of a process."""

import logging
import os

import pytest

from nexus.processes.counter_rows import CELLS, NAMES, ProcessRows, Rows


def in_a_child(part: ProcessRows, *counted: tuple[str, int], ends: bool = False) -> None:
    """Counts in a forked process and waits for it to exit."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for name, by in counted:
                count(part, name, by, ends=ends)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def count(part: ProcessRows, name: str, by: int, *, ends: bool = False) -> None:
    part.row(name, 1, ends=ends)[0] += by


def test_counts_of_all_processes_add_up() -> None:
    rows = Rows(3)
    in_a_child(rows.parts[0], ("calls", 2))
    in_a_child(rows.parts[1], ("calls", 3), ("tokens", 70))
    count(rows.parts[2], "calls", 5)
    assert rows.sums() == {"calls": [10], "tokens": [70]}
    assert (rows.total("calls"), rows.total("tokens"), rows.total("unknown")) == (10, 70, 0)


def test_a_restarted_process_continues_the_counts() -> None:
    rows = Rows(1)
    in_a_child(rows.parts[0], ("calls", 2))
    in_a_child(rows.parts[0], ("running", 4), ends=True)
    rows.parts[0].end()
    assert rows.sums() == {"calls": [2], "running": [0]}
    in_a_child(rows.parts[0], ("tokens", 7), ("calls", 1))
    assert rows.sums() == {"calls": [3], "running": [0], "tokens": [7]}


def test_rows_may_hold_several_numbers() -> None:
    rows = Rows(2)
    for part, at in zip(rows.parts, (0, 2), strict=True):
        row = part.row("times", 3)
        row[at] += 1
        row[2] += 10
    assert rows.sums() == {"times": [1, 0, 21]}


def test_rows_without_room_are_counted_and_logged_but_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    part = Rows(1).parts[0]
    part.row("wide", CELLS)[-1] = 1
    with caplog.at_level(logging.ERROR):
        count(part, "late", 1)
        count(part, "late", 1)
    assert [*part.rows()] == ["wide"]
    assert len(caplog.records) == 1, "logged once for each row"
    assert part.row("late", 1)[0] == part.value("late") == 2
    full = ProcessRows()
    count(full, "x" * (NAMES + 1), 1)
    assert not full.rows()

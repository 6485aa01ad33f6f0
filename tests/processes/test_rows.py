"""Rows of numbers of several processes: sums over all, kept when one of them ends."""

from __future__ import annotations

import logging
import os

import pytest

from nexus.processes.rows import CELLS, NAMES, Part, Rows


def in_a_child(part: Part, *counted: tuple[str, int], ends: bool = False) -> None:
    """Counts in a process that is forked, and waits for its end."""
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


def count(part: Part, name: str, by: int, *, ends: bool = False) -> None:
    part.row(name, 1, ends=ends)[0] += by


def test_what_each_process_counts_adds_up() -> None:
    rows = Rows(3)
    in_a_child(rows.parts[0], ("calls", 2))
    in_a_child(rows.parts[1], ("calls", 3), ("tokens", 70))
    count(rows.parts[2], "calls", 5)
    assert rows.sums() == {"calls": [10], "tokens": [70]}


def test_the_next_process_goes_on_where_the_last_one_was() -> None:
    rows = Rows(1)
    in_a_child(rows.parts[0], ("calls", 2))
    in_a_child(rows.parts[0], ("running", 4), ends=True)
    rows.parts[0].end()
    assert rows.sums() == {"calls": [2], "running": [0]}
    in_a_child(rows.parts[0], ("tokens", 7), ("calls", 1))
    assert rows.sums() == {"calls": [3], "running": [0], "tokens": [7]}


def test_rows_of_several_numbers() -> None:
    rows = Rows(2)
    for part, at in zip(rows.parts, (0, 2), strict=True):
        row = part.row("times", 3)
        row[at] += 1
        row[2] += 10
    assert rows.sums() == {"times": [1, 0, 21]}


def test_what_finds_no_room_is_counted_and_told_but_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    part = Rows(1).parts[0]
    part.row("wide", CELLS)[-1] = 1
    with caplog.at_level(logging.ERROR):
        count(part, "late", 1)
        count(part, "late", 1)
    assert [name for name, _ in part.rows()] == ["wide"]
    assert len(caplog.records) == 1, "told once for each row"
    assert part.row("late", 1)[0] == 2
    full = Part()
    count(full, "x" * (NAMES + 1), 1)
    assert not list(full.rows())

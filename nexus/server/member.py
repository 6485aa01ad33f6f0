"""What a worker process has of its supervisor."""

from __future__ import annotations

from nexus.dataclasses import dataclass
from nexus.limits.shared_windows import SharedWindows
from nexus.processes.board import Board
from nexus.processes.link import Link
from nexus.processes.rows import Part, Rows
from nexus.processes.tally import Tally


@dataclass(frozen=True, slots=True)
class Member:
    """``windows`` are what limits count, ``link`` is for all else that must be exact, ``board`` for what must not wait,
    ``tally`` for numbers that must be and must not; ``rows`` are what all have counted, ``part`` its own; ``count``
    workers there are."""

    windows: SharedWindows
    link: Link
    board: Board
    tally: Tally
    rows: Rows
    part: Part
    count: int

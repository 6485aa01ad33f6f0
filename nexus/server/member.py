"""What a worker process gets from its supervisor."""

from __future__ import annotations

from nexus.dataclasses import dataclass
from nexus.limits.shared_windows import SharedWindows
from nexus.processes.board import Board
from nexus.processes.control import Control
from nexus.processes.link import Link
from nexus.processes.rows import Part, Rows
from nexus.processes.tally import Tally
from nexus.server.shares import Share


@dataclass(frozen=True, slots=True)
class Member:
    """``share`` is its connection count, ``control`` its stream to the supervisor. ``windows`` are the counters of
    limits; ``link`` is for all other exact state, ``board`` for facts that must not block, ``tally`` for counts that
    are exact and do not block; ``rows`` are the metrics of all processes, ``part`` those of this one; ``count`` is the
    number of workers."""

    share: Share
    control: Control
    windows: SharedWindows
    link: Link
    board: Board
    tally: Tally
    rows: Rows
    part: Part
    count: int

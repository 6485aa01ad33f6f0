"""Fixtures: rooms, each with a fake vendor, a real Nexus in front of it and a desk to run programs at.

After each test, the vendor must have received only valid requests, and no program may have contacted anything but
loopback.
"""

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.programs.kit import NEWEST, Desk, Trap
from tests.programs.lanes import ProgramLane
from tests.programs.shapes import keep
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

DONE = "All done: forty-two."
ONE_TRY = "[llm.providers.v.retries]\nattempts = 1\n"
"""For tests of what the program itself does about a failure."""


@dataclass(frozen=True)
class Room:
    lane: ProgramLane
    upstream: FakeUpstream
    nexus: Nexus
    desk: Desk

    @property
    def work(self) -> Path:
        return self.desk.work

    def body(self, number: int) -> Any:
        """The body of the request with this number, counted from 0."""
        return self.upstream.requests[number].json

    def picture(self) -> tuple[Path, str]:
        """A small image in the working folder, and its base64."""
        file = self.work / "red.png"
        file.write_bytes(_png())
        return file, base64.b64encode(file.read_bytes()).decode()


OpenRoom = Callable[..., Room]


@pytest.fixture
def open_room(tmp_path: Path) -> Iterator[OpenRoom]:
    """``more`` is appended to the configuration, ``programs`` is the folder of the programs' versions."""
    opened: list[Room] = []
    with ExitStack() as stack:

        def open_room(lane: ProgramLane, more: str = "", programs: Path = NEWEST) -> Room:
            desk = Desk.in_folder(tmp_path, stack.enter_context(Trap()), programs)
            upstream = stack.enter_context(FakeUpstream(lane.vendor))
            upstream.default = Behaviour(text=DONE)
            nexus = stack.enter_context(Nexus.of(lane.config(upstream, tmp_path) + more, tmp_path))
            opened.append(Room(lane, upstream, nexus, desk))
            return opened[-1]

        yield open_room
    for room in opened:
        keep(room.upstream.requests)
        assert room.upstream.violations == []
        assert room.desk.trap.asked == []


def arguments(**given: str | bool) -> str:
    """The arguments of a tool call, as JSON."""
    return json.dumps(given)


def _png() -> bytes:
    side = 8
    rows = zlib.compress((b"\0" + b"\xff\0\0" * side) * side)
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    framed = (struct.pack(">I", len(data)) + kind + data for kind, data in chunks)
    sums = (struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk + check for chunk, check in zip(framed, sums, strict=True))

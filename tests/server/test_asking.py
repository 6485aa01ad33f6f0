"""The loop of a worker process asks the supervisor: many at a time, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing

from nexus.errors import Overloaded
from nexus.processes.answers import Lost, Refused
from nexus.processes.link import Link
from nexus.server.asking import Asking
from tests.processes.kit import Served
from tests.processes.test_link import FUNCTIONS


async def asked(link: Link, *calls: tuple[str, object], seconds: float = 60) -> list[object]:
    with closing(Asking(link.give(), seconds)) as asking:
        return [*await asyncio.gather(*(asking.call(*call) for call in calls), return_exceptions=True)]


def test_answers_and_errors_go_to_who_asked() -> None:
    """Some of them longer than what a socket takes at once, both ways."""
    served = Served(FUNCTIONS)
    link = served.link()
    large = os.urandom(8 * 2**20)
    with served:
        echoes = asyncio.run(asked(link, ("echo", large), ("echo", 1), ("echo", large)))
        full, refused = asyncio.run(asked(link, ("full", 2.5), ("none", 1)))
    assert echoes == [(large,), (1,), (large,)]
    assert isinstance(full, Overloaded) and full.retry_after == 2.5
    assert isinstance(refused, Refused)


def test_a_supervisor_that_stands_still() -> None:
    served = Served(FUNCTIONS)
    link = served.link()
    with served:
        served.stop()
        (lost,) = asyncio.run(asked(link, ("echo", 1), seconds=0.05))
    assert isinstance(lost, Lost)


def test_a_supervisor_that_is_gone() -> None:
    own, theirs = socket.socketpair()

    async def twice() -> list[object]:
        with closing(Asking(theirs, 60)) as asking:
            waits = asyncio.ensure_future(asking.call("echo", 1))
            await asyncio.sleep(0)
            own.close()
            first = await asyncio.gather(waits, return_exceptions=True)
            return [*first, *await asyncio.gather(asking.call("echo", 2), return_exceptions=True)]

    assert [type(answer) for answer in asyncio.run(twice())] == [Lost, Lost]

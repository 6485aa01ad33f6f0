"""Calls from workers to the supervisor: plain values of any size, errors by name, and no caller waits forever."""

import errno
import logging
import os
import socket
import threading
from functools import partial

import pytest

from nexus.processes.frames import BadFrame, Frames, pack
from nexus.processes.hub import Function
from nexus.processes.link import NoResult, SupervisorLink, pairs
from tests.processes.kit import Served
from tests.serving import wait_until
from tests.threads import at_once

VALUES = [None, True, 1, -(2**70), 0.5, "ä\ud800"[:1], b"\x00", (1, (2,)), [1, "x"], {"a": [b""]}]


def echo(*arguments: object) -> object:
    return arguments


def broken() -> None:
    raise KeyError("sk-hushhush")


FUNCTIONS: dict[str, Function] = {"echo": echo, "broken": broken}


def test_plain_values_arrive_unchanged() -> None:
    served = Served(FUNCTIONS)
    link = served.link()
    with served:
        assert link.call("echo") == ()
        assert link.call("echo", *VALUES) == tuple(VALUES)


def test_large_values_travel_both_ways_concurrently() -> None:
    """The values are larger than a socket buffer."""
    served = Served(FUNCTIONS)
    links = [served.link(), served.link()]
    large = os.urandom(8 * 2**20)
    answers: list[object] = []

    def ask(link: SupervisorLink, value: object) -> None:
        answers.extend(link.call("echo", value))

    with served:
        at_once(partial(ask, link, value) for link in links for value in (large, 1, large, 2))
    assert [answers.count(value) for value in (large, 1, 2)] == [4, 2, 2]
    assert len(answers) == 8


def test_errors_are_distinguished(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(FUNCTIONS)
    link = served.link()
    with served:
        with caplog.at_level(logging.CRITICAL + 1, "nexus.processes"):
            for name in ("broken", "there is none"):
                with pytest.raises(NoResult, match="KeyError"):
                    link.call(name)
        assert link.call("echo", 1) == (1,)


def test_many_callers_at_once() -> None:
    served = Served(FUNCTIONS)
    link = served.link()
    got: list[int] = []
    with served:
        threads = [
            threading.Thread(target=lambda number=number: got.append(link.call("echo", number)[0]))
            for number in range(100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(got) == list(range(100))


def test_calls_to_a_hanging_supervisor_time_out() -> None:
    served = Served(FUNCTIONS)
    link = served.link(seconds=0.05)
    with pytest.raises(NoResult, match="did not answer"):
        link.call("echo", "late")
    with served:
        # The answer to the timed-out call arrives first.
        wait_until(lambda: _asked(link) == "now")


def _asked(link: SupervisorLink) -> object:
    try:
        return link.call("echo", "now")[0]
    except NoResult:
        return None


def test_a_connection_works_again_once_the_supervisor_does() -> None:
    """Also if it was given up in the middle of a call."""
    served = Served(FUNCTIONS)
    link = served.link(seconds=0.05)
    for value in (os.urandom(8 * 2**20), 1):
        with pytest.raises(NoResult):
            link.call("echo", value)
    with served:
        wait_until(lambda: _asked(link) == "now")


def test_calls_to_a_dead_supervisor_fail() -> None:
    served = Served(FUNCTIONS)
    link = served.link()
    with served:
        served.stop()
        served.hub.close()
        for _ in range(20):
            with pytest.raises(NoResult):
                link.call("echo")


def test_connections_of_a_dead_worker_are_removed() -> None:
    served = Served(FUNCTIONS)
    kept, gone = served.link(), served.link()
    with served:
        gone.close()
        wait_until(lambda: len(served.hub._peers) == 1)
        assert kept.call("echo", 1) == (1,)


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", pack(1)[:4] + b"\x00" * 5], ids=["too long", "no value"])
def test_a_connection_that_sends_an_invalid_frame_is_closed(raw: bytes) -> None:
    served = Served(FUNCTIONS)
    own, theirs = socket.socketpair()
    served.hub.add(own)
    with served:
        theirs.sendall(raw)
        assert theirs.recv(1) == b""
        theirs.close()


def test_frames_are_parsed_from_any_fragments() -> None:
    whole = b"".join(pack(value) for value in VALUES)
    frames = Frames()
    assert [value for at in range(len(whole)) for value in frames.feed(whole[at : at + 1])] == VALUES
    with pytest.raises(BadFrame):
        list(frames.feed(b"\x7f\xff\xff\xff"))


def test_connections_are_unnamed_sockets_and_the_parent_keeps_only_its_own_ends() -> None:
    with pairs(2) as ends:
        for own, theirs in ends:
            assert (own.family, own.getsockname(), theirs.getsockname()) == (socket.AF_UNIX, "", "")
    assert [(own.fileno() >= 0, theirs.fileno()) for own, theirs in ends] == [(True, -1)] * 2
    for own, _ in ends:
        own.close()


def test_if_descriptors_run_out_all_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    def socketpair() -> tuple[socket.socket, socket.socket]:
        if made:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.extend(pair())
        return made[0], made[1]

    pair = socket.socketpair
    monkeypatch.setattr(socket, "socketpair", socketpair)
    with pytest.raises(OSError, match="open files"), pairs(2):
        raise AssertionError("there are no connections")
    assert [sock.fileno() for sock in made] == [-1, -1]

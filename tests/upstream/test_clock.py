"""The file from which a vendor's bytes are read: all available bytes, no more than requested, and each kind
of failure.
"""

import io
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from nexus.upstream.clock import _WAITED_FOR, Clock, ClockedSource
from tests.peers import Tls, reset

ROOM = _WAITED_FOR


@contextmanager
def reading(within: float = 30.0) -> Iterator[tuple[socket.socket, io.BufferedIOBase, Clock]]:
    """The vendor's end of a connection, and the file that reads its bytes."""
    clock = Clock(within)
    vendor, ours = ends()
    with vendor, ours, ClockedSource(ours, clock).makefile("rb") as file:
        yield vendor, file, clock


def ends() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return server.accept()[0], ours


@pytest.mark.parametrize("size", [1, ROOM - 1, ROOM, ROOM + 1, 5 * ROOM])
def test_available_bytes_are_read_immediately(size: int) -> None:
    with reading() as (vendor, file, clock):
        vendor.sendall(b"x" * size)
        assert len(file.read1(64 * 1024)) == size
        assert clock.received == size


def test_a_tls_record_is_read_at_once(tls: Tls) -> None:
    with ThreadPoolExecutor() as threads:
        theirs, ours = ends()
        shaken = threads.submit(tls.server.wrap_socket, theirs, server_side=True)
        client = ssl.create_default_context(cafile=tls.ca_file).wrap_socket(ours, server_hostname="127.0.0.1")
        with shaken.result() as vendor, client, ClockedSource(client, Clock(30.0)).makefile("rb") as file:
            vendor.sendall(b"x" * 5 * ROOM + b"!")
            assert [len(file.read1(3 * ROOM)), len(file.read1(64 * 1024))] == [3 * ROOM, 2 * ROOM + 1]


def test_no_read_returns_more_than_requested() -> None:
    with reading() as (vendor, file, _):
        vendor.sendall(b"first line\nsecond" + b"x" * 3 * ROOM)
        vendor.shutdown(socket.SHUT_WR)
        assert [file.readline(6), file.readline(64)] == [b"first ", b"line\n"]
        assert [file.read1(3), file.read(3)] == [b"sec", b"ond"]
        assert file.read() == b"x" * 3 * ROOM
        assert file.read1(10) == b""


def test_a_line_that_arrives_in_parts_is_joined() -> None:
    with reading() as (vendor, file, _):
        vendor.sendall(b"HTTP/1.1 ")
        assert file.read1(5) == b"HTTP/"
        vendor.sendall(b"200 OK\r\nrest")
        assert [file.readline(), file.readline(2)] == [b"1.1 200 OK\r\n", b"re"]
        vendor.close()
        assert [file.readline(), file.readline()] == [b"st", b""]


def test_a_reset_after_bytes_that_fill_the_buffer_is_not_an_end() -> None:
    with reading() as (vendor, file, _):
        vendor.sendall(b"x" * ROOM)
        reset(vendor)
        assert file.read1(2 * ROOM) == b"x" * ROOM
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                file.read1(2 * ROOM)

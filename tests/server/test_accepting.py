"""How processes share new connections: the one with the fewest accepts, and a dead process blocks nobody."""

import asyncio
import socket

from tornado.httpserver import HTTPServer

from nexus.server.sockets import accepting
from nexus.server.sockets.accepting import PausingServer
from nexus.server.sockets.listening import bind
from nexus.server.sockets.shares import shares
from nexus.settings import ListenAddress


def test_counts_only_include_listening_processes() -> None:
    first, second, _ = shares(3)
    assert (first.counts, first.is_anybody_serving) == ([], False)
    first.write(2)
    assert not first.is_ahead
    second.write(1)
    assert (first.is_ahead, second.is_ahead) == (True, False)
    second.write(None)
    assert (first.counts, first.is_ahead) == ([2], False)
    assert first.is_anybody_serving
    assert second.is_anybody_serving
    second.stop()
    assert not first.is_anybody_serving


class Listening:
    """Servers that share one socket, like worker processes, on one loop."""

    def __init__(self, count: int) -> None:
        self.shares = shares(count)
        (self.sock,) = bind(ListenAddress("127.0.0.1", 0))
        self.servers: list[HTTPServer] = []
        for index in range(count):
            server = PausingServer(lambda request: None)
            server.share = self.shares[index]
            server.add_sockets([socket.socket(fileno=socket.dup(self.sock.fileno()))])
            self.servers.append(server)
        self.clients: list[socket.socket] = []

    async def connect(self) -> None:
        """Opens one more connection; returns when a server has accepted it."""
        before = sum(self.shares[0].counts)
        client = socket.socket()
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, self.sock.getsockname())
        self.clients.append(client)
        async with asyncio.timeout(60):
            while sum(self.shares[0].counts) == before:
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        for server in self.servers:
            server.stop()
            await server.close_all_connections()
        for sock in (*self.clients, self.sock):
            sock.close()


def run(count: int, connections: int, before: str = "") -> list[int]:
    async def main() -> list[int]:
        listening = Listening(count)
        if before == "one listens no more":
            listening.servers[0].stop()
        if before == "one is stuck with fewest":
            listening.servers[0].stop()
            listening.shares[0].write(0)
        for _ in range(connections):
            await listening.connect()
        counts = listening.shares[0].counts
        await listening.close()
        return counts

    return asyncio.run(main())


def test_connections_are_shared_evenly() -> None:
    assert run(4, 16) == [4, 4, 4, 4]


def test_a_process_that_stopped_listening_is_ignored() -> None:
    assert run(2, 6, "one listens no more") == [6]


def test_waiting_for_a_stuck_process_is_bounded() -> None:
    assert accepting.YIELD * accepting.TIMES <= 0.1
    assert run(2, 3, "one is stuck with fewest") == [0, 3]

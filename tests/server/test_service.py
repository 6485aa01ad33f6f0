"""systemd integration: socket activation, readiness notifications, and a matching unit file."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.server.sockets.service import BadSocket, Notifier, service_of
from tests.console import python
from tests.server.test_process import Process
from tests.serving import wait_until

ECHO = '[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.m]\n'


class Manager:
    """Listens as systemd does, and keeps the notifications it received."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.path))
        self.told: list[str] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while (message := self.sock.recv(4096)) != b"over":
            self.told.append(message.decode())

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"over", str(self.path))
        self._thread.join(60)
        self.sock.close()

    @property
    def words(self) -> list[str]:
        """The state changes, without status and times."""
        lines = [line for message in self.told for line in message.splitlines()]
        return [line for line in lines if not line.startswith(("STATUS=", "MONOTONIC_USEC="))]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    # The path of a Unix socket must be short.
    monkeypatch.chdir(tmp_path)
    manager = Manager(Path())
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield manager
    manager.close()


class TestNotifier:
    def test_states_are_sent(self, tmp_path: Path, manager: Manager) -> None:
        notifier = Notifier(str(tmp_path / "notify"))
        before = time.monotonic_ns() // 1000
        notifier.ready("serving")
        notifier.reloading()
        notifier.stopping()
        wait_until(lambda: len(manager.told) == 3)
        assert manager.told[0] == "READY=1\nSTATUS=serving"
        assert manager.words == ["READY=1", "RELOADING=1", "STOPPING=1"]
        found = re.search(r"^MONOTONIC_USEC=(\d+)$", manager.told[1], re.MULTILINE)
        assert found is not None
        assert before <= int(found[1]) <= time.monotonic_ns() // 1000

    def test_an_abstract_socket_name_works(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(f"\0nexus-test-{os.getpid()}")
            Notifier(f"@nexus-test-{os.getpid()}").status("x")
            assert sock.recv(100) == b"STATUS=x"

    @pytest.mark.parametrize("address", ["", "/nobody/is/here", "vsock:2:1234", "@" + "x" * 200])
    def test_a_missing_listener_is_ignored(self, address: str) -> None:
        Notifier(address).ready("serving")


class TestPassedSockets:
    def test_without_sockets_there_are_no_addresses(self) -> None:
        assert service_of({}, os.getpid()).addresses == ()
        assert service_of({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, os.getpid()).addresses == ()

    def test_a_descriptor_that_is_not_a_listening_socket_is_rejected(self, tmp_path: Path) -> None:
        for what in ("open('x', 'w')", "socket.socket()"):
            program = (
                f"import socket, os; from nexus.server.sockets.service import *; s = {what}; os.dup2(s.fileno(), 3)\n"
            )
            program += "service_of({'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}, os.getpid())"
            run = python(program, tmp_path)
            assert f"{BadSocket.__name__}: descriptor 3 from systemd" in run.stderr

    def test_a_closed_descriptor_is_rejected(self, tmp_path: Path) -> None:
        program = "import os; from nexus.server.sockets.service import *; os.closerange(3, 9)\n"
        program += "service_of({'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}, os.getpid())"
        assert f"{BadSocket.__name__}: descriptor 3 from systemd" in python(program, tmp_path).stderr


def handed(folder: Path, config: str, *sockets: socket.socket, names: str = "") -> Process:
    """Nexus with sockets from number 3 on, as systemd starts it."""
    (folder / "nexus.toml").write_text(config)
    return Process(folder, hand_over=[sock.fileno() for sock in sockets], names=names)


@pytest.mark.slow
class TestActivation:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_calls_arrive_on_a_socket_passed_by_systemd(self, tmp_path: Path, manager: Manager, workers: int) -> None:
        """The port in the file is ignored; it would be in use."""
        with socket.create_server(("127.0.0.1", 0)) as calls, socket.create_server(("127.0.0.1", 0)) as health:
            port, beside = calls.getsockname()[1], health.getsockname()[1]
            config = f'[server]\nworkers = {workers}\nlisten_address = "127.0.0.1:{port}"\n{ECHO}'
            process = handed(tmp_path, config, calls, health, names="nexus:health")
            try:
                wait_until(lambda: "READY=1" in manager.words)
                wait_until(lambda: process.said(f"health: http://127.0.0.1:{beside}/health"))
                assert process.said(f"OPENAI_BASE_URL=http://127.0.0.1:{port}/")
                process.signal(signal.SIGTERM)
                assert process.wait() == 0
                assert [word for word in manager.words if word != "READY=1"] == ["STOPPING=1"]
            finally:
                process.kill()
            # The manager owns the socket, and keeps it for the next process.
            with socket.create_connection(("127.0.0.1", port), 60):
                pass

    def test_the_passed_sockets_address_decides_whether_keys_are_needed(self, tmp_path: Path) -> None:
        spends = '[llm.providers.o]\ntype = "openai"\napi_key = "sk-hushhush-openai"\n[llm.providers.o.models.m]\n'
        with socket.create_server(("0.0.0.0", 0)) as calls:
            process = handed(tmp_path, spends, calls)
            try:
                assert process.wait() == 1
                assert process.said("without authentication would let anyone who can reach this port use")
            finally:
                process.kill()


def test_check_reports_what_workers_share(tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text(f"[server]\nworkers = 3\n{ECHO}")
    process = Process(tmp_path, "check", "-l", "127.0.0.1:0")
    try:
        assert process.wait() == 0
        assert process.said("workers: 3; limits and stored answers are kept by their supervisor: exact on this machine")
    finally:
        process.kill()

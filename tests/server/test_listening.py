"""Listening: both address families, several addresses, Unix sockets, signals, and what happens when file descriptors
run out.
"""

import contextlib
import http.client
import json
import logging
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.server.sockets import accepting
from nexus.server.sockets.descriptors import raise_limit, shortage
from nexus.server.sockets.listening import BACKLOG, base_url, bind_all, files_of, remove_files
from nexus.settings.listen import read_addresses
from nexus.settings.problems import CannotServe
from tests.conftest import Serve
from tests.server.test_process import CHAT_PATH, Start, finish, start
from tests.serving import CHAT, Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

__all__ = ["start"]


@contextlib.contextmanager
def bound(*addresses: str, mode: str = "0600") -> Iterator[list[socket.socket]]:
    sockets = bind_all(read_addresses(list(addresses)), mode)
    try:
        yield sockets
    finally:
        remove_files(files_of(sockets))
        for sock in sockets:
            sock.close()


def takes(family: socket.AddressFamily, address: tuple[str, int] | str) -> bool:
    with socket.socket(family) as client:
        client.settimeout(30)
        return client.connect_ex(address) == 0


def test_every_interface_of_ipv6_is_ipv4_too() -> None:
    with bound("[::]:0") as (sock,):
        port = sock.getsockname()[1]
        assert takes(socket.AF_INET6, ("::1", port))
        assert takes(socket.AF_INET, ("127.0.0.1", port))


def test_both_families_by_name_on_one_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with bound(f"0.0.0.0:{port}", f"[::]:{port}") as sockets:
        assert [sock.family for sock in sockets] == [socket.AF_INET, socket.AF_INET6]
        assert takes(socket.AF_INET6, ("::1", port))
        assert takes(socket.AF_INET, ("127.0.0.1", port))


def test_the_backlog_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    listen = socket.socket.listen

    def seen(sock: socket.socket, backlog: int) -> None:
        asked.append(backlog)
        listen(sock, backlog)

    monkeypatch.setattr(socket.socket, "listen", seen)
    with bound("127.0.0.1:0", "[::]:0"):
        assert asked == [BACKLOG, BACKLOG]
        assert BACKLOG >= 1024


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The path of a Unix socket must be short.
    monkeypatch.chdir(tmp_path)
    return Path("nexus.sock")


@pytest.mark.parametrize("mode", ["0600", "0660", "0666"])
def test_a_unix_socket_has_its_mode_and_is_removed_at_the_end(place: Path, mode: str) -> None:
    with bound(f"unix:{place}", mode=mode) as (sock,):
        assert stat.S_IMODE(place.stat().st_mode) == int(mode, 8)
        assert base_url(sock) == "http+unix://nexus.sock"
        assert takes(socket.AF_UNIX, str(place))
    assert not place.exists()


def test_a_stale_unix_socket_is_replaced(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(place))
    assert place.exists()
    with bound(f"unix:{place}"):
        assert takes(socket.AF_UNIX, str(place))


def test_a_unix_socket_in_use_is_kept(place: Path) -> None:
    with bound(f"unix:{place}"):
        with pytest.raises(CannotServe, match=r"cannot listen on unix:nexus\.sock: another process listens there"):
            bind_all(read_addresses(f"unix:{place}"))
        assert takes(socket.AF_UNIX, str(place))


def test_a_file_that_is_not_a_socket_is_kept(place: Path) -> None:
    place.write_text("mine")
    with pytest.raises(CannotServe, match="a file that is not a socket exists there"):
        bind_all(read_addresses(f"unix:{place}"))
    assert place.read_text() == "mine"


def test_a_path_that_was_replaced_in_the_meantime_is_not_removed(place: Path) -> None:
    sockets = bind_all(read_addresses(f"unix:{place}"))
    files = files_of(sockets)
    sockets[0].close()
    place.unlink()
    place.write_text("another's")
    remove_files(files)
    assert place.exists()


def test_all_addresses_are_bound_or_none(place: Path) -> None:
    with bound("unix:taken"), pytest.raises(CannotServe, match="unix:taken: another process listens there"):
        bind_all(read_addresses(f"unix:{place},127.0.0.1:0,unix:taken"))
    assert not place.exists()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("nexus.foreign.example", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@pytest.mark.slow
def test_a_process_listens_on_several_addresses(start: Start, openai_upstream: FakeUpstream, tmp_path: Path) -> None:
    addresses = ("-l", "127.0.0.1:0", "-l", "[::1]:0", "-l", f"unix:{tmp_path}/s")
    process = start(openai_config(openai_upstream.base_url), *addresses)
    finish(process.post(CHAT_PATH, CHAT))
    wait_until(lambda: process.said("also listening: http+unix://"))
    assert process.said("also listening: http://[::1]:")
    connection = UnixConnection(f"{tmp_path}/s")
    # The host name is irrelevant here, since no web page can reach it.
    connection.request("GET", "/llm/openai/v1/models")
    assert connection.getresponse().status == 200
    connection.close()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not (tmp_path / "s").exists()


IN_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "nexus", "-l", "127.0.0.1:0"])
"""


@pytest.mark.slow
class TestSignals:
    def test_closing_the_terminal_lets_calls_finish(self, tmp_path: Path, openai_upstream: FakeUpstream) -> None:
        (tmp_path / "nexus.toml").write_text(openai_config(openai_upstream.base_url))
        terminal, slave = os.openpty()
        go = threading.Event()
        with subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, os.ttyname(slave)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stderr is not None
            said = b""
            while b"health:" not in said:
                said = process.stderr.readline()
            port = int(said.rpartition(b":")[2].partition(b"/")[0])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            openai_upstream.next(Behaviour(hold=go))
            connection.request("POST", CHAT_PATH, json.dumps(CHAT), {"Content-Type": "application/json"})
            openai_upstream.wait_for_requests(1)
            os.close(slave)
            os.close(terminal)
            while b"stopping" not in said:
                said = process.stderr.readline()
            go.set()
            assert connection.getresponse().status == 200
            connection.close()
            assert process.wait(60) == 0

    def test_an_ignored_sighup_stays_ignored(self, tmp_path: Path) -> None:
        command = ["nohup", sys.executable, "-m", "nexus", "-l", "127.0.0.1:0"]
        root = str(Path(__file__).parents[2])
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": root},
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stderr is not None
            said = b""
            while b"health:" not in said:
                said += process.stderr.readline()
            # Signals of different kinds are delivered in the order of their numbers, so the first signal causes a log
            # line first.
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGTERM)
            assert b"stopped" in process.stderr.read()

    @pytest.mark.parametrize("after", [b"import 'nexus.__main__'", b"import 'pydantic'", b"import 'tornado'"])
    def test_ctrl_c_at_start_prints_no_traceback(self, tmp_path: Path, after: bytes) -> None:
        command = [sys.executable, "-v", "-c", "from nexus.__main__ import main; main()"]
        root = str(Path(__file__).parents[2])
        with subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            while after not in process.stderr.readline() and process.poll() is None:
                continue
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
        assert b"Traceback" not in rest
        assert b"KeyboardInterrupt" not in rest


class TestDescriptors:
    def test_the_soft_limit_is_raised_to_the_hard_one(self) -> None:
        code = (
            "import resource; from nexus.server.sockets.descriptors import raise_limit;"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 500)); print(raise_limit());"
            "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout == "500\n(500, 500)\n"
        assert raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def test_a_descriptor_limit_that_is_too_low_is_reported(self) -> None:
        assert shortage(None, 512) is None
        assert shortage(1088, 512) is None
        assert "server.worker_threads = 512 needs about 1088 file descriptors" in (shortage(1087, 512) or "")

    def test_accepting_pauses_with_one_log_line_and_resumes(
        self,
        serve: Serve,
        openai_upstream: FakeUpstream,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        nexus = serve(openai_config(openai_upstream.base_url))
        tried: list[int] = []
        short = threading.Event()
        short.set()
        accept = socket.socket.accept

        def scarce(sock: socket.socket) -> tuple[socket.socket, object]:
            if short.is_set() and sock.getsockname()[1] == nexus.port:
                tried.append(1)
                raise OSError(24, "Too many open files")
            return accept(sock)

        monkeypatch.setattr(socket.socket, "accept", scarce)
        monkeypatch.setattr(accepting, "PAUSE", 0.01)
        answers: list[int] = []
        with caplog.at_level(logging.WARNING):
            calls = [threading.Thread(target=lambda: answers.append(nexus.chat(CHAT).status)) for _ in range(5)]
            for call in calls:
                call.start()
            wait_until(lambda: len(tried) >= 20)
            short.clear()
            for call in calls:
                call.join(60)
        assert answers == [200] * 5
        assert [record.message for record in caplog.records if record.name == "nexus.server"] == [
            "no file descriptor is free: accepting pauses; raise the limit (ulimit -n)"
        ]

    @pytest.mark.slow
    def test_a_process_survives_running_out_of_descriptors(self, start: Start, openai_upstream: FakeUpstream) -> None:
        process = start("[server]\nworker_threads = 4\n" + openai_config(openai_upstream.base_url))
        port = process.port
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (40, 40))
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(80)]
            wait_until(lambda: process.said("accepting pauses"))
            for sock in idle:
                sock.close()
        assert b"chat.completion" in finish(process.post(CHAT_PATH, CHAT))
        assert process.output.count("accepting pauses") == 1
        assert "Traceback" not in process.output


GOOD_HOSTS = [
    "127.0.0.1:8000",
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "nexus.localhost:1",
    "[::1]:8000",
    "10.1.2.3",
    "host.docker.internal:8000",
    "host.containers.internal",
    "nexus.example.com:443",
    "a.internal",
    "",
]
BAD_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "xnexus.example.com",
    "internal",
    "evil.example.",
]
PATHS = [
    ("GET", "/health"),
    ("GET", "/llm/openai/v1/models"),
    ("GET", "/llm/anthropic/v1/models"),
    ("GET", "/llm/openai/v1/responses/resp_1"),
    ("POST", "/llm/openai/v1/chat/completions"),
    ("POST", "/llm/anthropic/v1/messages"),
    ("OPTIONS", "/llm/openai/v1/chat/completions"),
    ("GET", "/nowhere"),
    ("GET", "/llm/anthropic/api/hello"),
]


class TestHost:
    @pytest.fixture
    def nexus(self, serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
        hosts = '[server]\nhosts = ["nexus.example.com", "*.Internal"]\n'
        return serve(hosts + openai_config(openai_upstream.base_url))

    @pytest.mark.parametrize("host", GOOD_HOSTS)
    def test_names_of_this_machine_are_accepted(self, nexus: Nexus, host: str) -> None:
        assert nexus.request("GET", "/llm/openai/v1/models", headers={"Host": host}).status == 200

    @pytest.mark.parametrize("host", BAD_HOSTS)
    def test_other_names_are_rejected(self, nexus: Nexus, host: str) -> None:
        reply = nexus.request("GET", "/llm/openai/v1/models", headers={"Host": host})
        assert (reply.status, "server.hosts" in reply.json["error"]["message"]) == (403, True)
        assert host not in reply.body.decode()

    @pytest.mark.parametrize(("method", "path"), PATHS)
    def test_every_path_rejects_other_names_in_the_clients_dialect(self, nexus: Nexus, method: str, path: str) -> None:
        body = b"{}" if method == "POST" else b""
        reply = nexus.request(method, path, body, {"Host": "evil.example"})
        assert reply.status == 403
        error = reply.json
        assert error.get("type") == ("error" if "anthropic" in path else None)
        assert "server.hosts" in error["error"]["message"]

    def test_with_gateway_keys_any_name_is_accepted(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        key = "nx-hushhush0123456789abcdefghijklmnop"
        nexus = serve(f'server.keys.alice.key = "{key}"\n' + openai_config(openai_upstream.base_url))
        headers = {"Host": "evil.example", "Authorization": f"Bearer {key}"}
        assert nexus.request("GET", "/llm/openai/v1/models", headers=headers).status == 200
        assert nexus.request("GET", "/llm/openai/v1/models", headers={"Host": "evil.example"}).status == 401

    def test_on_a_public_address_any_name_is_accepted(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        where = '[server]\nlisten_address = "0.0.0.0:8000"\nopen = true\n'
        nexus = serve(where + openai_config(openai_upstream.base_url))
        assert nexus.request("GET", "/health", headers={"Host": "gateway"}).status == 200

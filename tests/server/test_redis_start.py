"""Messages about Redis at start: a missing package, a wrong address, password or certificate; Nexus serves
nevertheless.

Law: one log line names host, port and the fix, and none contains a password.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.console import Command
from tests.limits.redis_server import RedisServer, require
from tests.peers import UNUSED_PORT, Tls
from tests.server.test_process import CHAT_PATH, Process, finish
from tests.serving import CHAT, openai_config, wait_until
from tools.fake_upstream import FakeUpstream
from tools.ports import free_port

PASSWORD = "redis-hushhush-6061"

Start = Callable[..., Process]
StartRedis = Callable[..., RedisServer]


@pytest.fixture
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRedis]:
    require()
    with ExitStack() as stack:

        def run(*options: str) -> RedisServer:
            server = RedisServer(tmp_path_factory.mktemp("redis"), *options)
            stack.callback(server.kill)
            return server

        yield run


def toml(upstream: str, url: str, more: str = "") -> str:
    limits = "[server.rate_limits]\nglobal = { limit = 1000, interval = '1h' }\n"
    storage = f'[server.rate_limits.storage]\ntype = "redis"\nurl = "{url}"\n{more}\n'
    return limits + storage + openai_config(upstream)


@pytest.fixture
def start(tmp_path: Path, openai_upstream: FakeUpstream) -> Iterator[Start]:
    with ExitStack() as stack:

        def run(url: str, more: str = "") -> Process:
            (tmp_path / "nexus.toml").write_text(toml(openai_upstream.base_url, url, more))
            process = Process(tmp_path, "-l", "127.0.0.1:0")
            stack.callback(process.kill)
            return process

        yield run


def said(process: Process, *words: str) -> None:
    """The message comes before the first call, in one line, without the password."""
    wait_until(lambda: any(all(word in line for word in words) for line in process.lines), 20)
    assert PASSWORD not in process.output


def serves(process: Process) -> bool:
    response = process.post(CHAT_PATH, CHAT)
    finish(response)
    return response.status == 200


class TestLines:
    def test_a_reachable_redis_is_named_in_the_log(self, start: Start, start_redis: StartRedis) -> None:
        redis = start_redis("--requirepass", PASSWORD)
        process = start(f"redis://:{PASSWORD}@127.0.0.1:{redis.port}/0")
        said(process, "INFO", "limits are counted in Redis", f"redis=127.0.0.1:{redis.port}")
        assert serves(process) and not process.said("ERROR")

    @pytest.mark.slow
    def test_an_address_without_redis_is_named_in_the_log(self, start: Start) -> None:
        require()
        process = start(f"redis://user:{PASSWORD}@127.0.0.1:{UNUSED_PORT}/0")
        said(process, "ERROR", "Redis is down", f"redis=127.0.0.1:{UNUSED_PORT}", "Connection refused")
        assert serves(process)

    @pytest.mark.parametrize("login", [f":{PASSWORD}@", f"somebody:{PASSWORD}@", ""], ids=["password", "user", "none"])
    def test_a_wrong_login_is_named_in_the_log(self, start: Start, start_redis: StartRedis, login: str) -> None:
        redis = start_redis("--requirepass", "another-hushhush-4711")
        process = start(f"redis://{login}127.0.0.1:{redis.port}/0")
        said(process, "ERROR", f"redis=127.0.0.1:{redis.port}", "the login with the user name and password of url")
        assert serves(process)

    def test_insufficient_permissions_are_named_in_the_log(self, start: Start, start_redis: StartRedis) -> None:
        redis = start_redis("--user", "default", "on", "nopass", "~*", "+@all", "-@scripting")
        said(start(redis.url), "ERROR", f"redis=127.0.0.1:{redis.port}", "no permissions")


class TestTls:
    @pytest.fixture
    def port(self, tls: Tls, start_redis: StartRedis) -> Iterator[int]:
        key = str(Path(tls.ca_file).with_name("key.pem"))
        files = ("--tls-cert-file", tls.ca_file, "--tls-key-file", key, "--tls-ca-cert-file", tls.ca_file)
        with free_port() as port:
            start_redis("--tls-port", str(port), *files, "--tls-auth-clients", "no")
            yield port

    def test_a_trusted_certificate(self, start: Start, port: int, tls: Tls) -> None:
        process = start(f"rediss://127.0.0.1:{port}", f'tls.ca_file = "{tls.ca_file}"')
        said(process, "INFO", "limits are counted in Redis", f"redis=127.0.0.1:{port}")
        assert serves(process)

    def test_an_untrusted_certificate(self, start: Start, port: int) -> None:
        process = start(f"rediss://:{PASSWORD}@127.0.0.1:{port}")
        said(process, "ERROR", f"redis=127.0.0.1:{port}", "TLS: the certificate is not trusted", "tls.ca_file")
        assert serves(process)

    def test_plain_tcp_to_a_tls_port(self, start: Start, port: int) -> None:
        process = start(f"redis://127.0.0.1:{port}")
        said(process, "ERROR", f"redis=127.0.0.1:{port}", "rediss://")

    def test_tls_to_a_plain_port(self, start: Start, start_redis: StartRedis) -> None:
        redis = start_redis()
        process = start(f"rediss://127.0.0.1:{redis.port}", 'connect_timeout = "200ms"')
        said(process, "ERROR", f"redis=127.0.0.1:{redis.port}", "does it use TLS?")


class TestMissingPackage:
    @pytest.mark.parametrize("words", [("check",), ("-l", "127.0.0.1:0")], ids=["check", "serve"])
    def test_a_package_that_is_not_installed(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        monkeypatch.setitem(sys.modules, "redis", None)
        (tmp_path / "nexus.toml").write_text(toml("http://127.0.0.1:9", "redis://localhost"))
        ran = command(tmp_path, *words)
        assert (ran.returncode, ran.stdout) == (1, "")
        where = "nexus.toml:4: server.rate_limits.storage.type"
        assert ran.stderr == (
            f"{where}: needs the Python package redis, which is not installed; pip install 'nexus-llm-router[redis]'\n"
            '    4 | type = "redis"\n      |        ^^^^^^^\n'
        )

    @pytest.mark.slow
    def test_a_package_that_does_not_import(self, tmp_path: Path) -> None:
        """A package that is installed but fails to import: the settings are valid, but Nexus does not start."""
        (tmp_path / "nexus.toml").write_text(toml("http://127.0.0.1:9", "redis://localhost"))
        (tmp_path / "redis.py").write_text("raise ImportError('broken')\n")
        program = "import sys; sys.path.insert(0, ''); from nexus.cli.main import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", program, "-l", "127.0.0.1:0"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "XDG_STATE_HOME": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1 and "needs the Python package redis" in done.stderr

"""``check`` and serving accept the same settings, and reject the others with the same message, file and line."""

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.server.process import preflight
from nexus.settings import Settings, load
from tests.auth.kit import ALICE
from tests.conftest import Serve
from tests.console import Command
from tests.peers import Peer
from tests.serving import openai_config

ECHO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'


@pytest.fixture
def taken() -> Iterator[int]:
    """A port in use by a process that closes every connection."""
    with Peer(lambda sock: None) as peer:
        yield peer.port


def read(folder: Path, text: str) -> Settings:
    (folder / "nexus.toml").write_text(text)
    return load(folder / "nexus.toml", {})


Both = Callable[..., list[tuple[int, str]]]


@pytest.fixture
def runs(command: Command) -> Both:
    """Exit code and stderr of ``check`` and of serving, which stops at its first checks."""

    def runs(folder: Path, *arguments: str) -> list[tuple[int, str]]:
        both = [command(folder, *first, *arguments) for first in (["check"], [])]
        return [(run.returncode, run.stderr) for run in both]

    return runs


IN_USE = "the port is in use; stop what listens there, or choose another with --listen-address"


def test_a_port_in_use_is_reported_by_both(runs: Both, tmp_path: Path, taken: int) -> None:
    read(tmp_path, f'{ECHO}[server]\nlisten_address = "127.0.0.1:{taken}"\n')
    said = f"""\
nexus.toml:5: server.listen_address: cannot listen on 127.0.0.1:{taken}: {IN_USE}
    5 | listen_address = "127.0.0.1:{taken}"
      |                  {"^" * len(f'"127.0.0.1:{taken}"')}
"""
    assert runs(tmp_path) == [(1, said), (1, said)]


def test_a_port_in_use_given_by_a_flag_names_the_flag(runs: Both, tmp_path: Path, taken: int) -> None:
    said = f"nexus: --listen-address: cannot listen on 127.0.0.1:{taken}: {IN_USE}\n"
    assert runs(tmp_path, "-l", f"127.0.0.1:{taken}") == [(1, said), (1, said)]


def test_an_invalid_certificate_is_reported_by_both(
    runs: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cert.pem", "hushhush.pem"):
        (tmp_path / name).write_text("no PEM")
    server = '[server]\nlisten_address = "127.0.0.1:0"\n[server.tls]\n'
    read(tmp_path, f'{ECHO}{server}certificate = "cert.pem"\nkey = "hushhush.pem"\n')
    (check, serve) = runs(tmp_path)
    assert check == serve
    assert check[1].startswith("nexus.toml:7: server.tls.certificate: the TLS certificate and key cannot be used: ")


def test_a_missing_package_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        tmp_path, f'{ECHO}[server]\nlisten_address = "127.0.0.1:0"\n[server.oauth]\nurl = "https://id.test/jwks"\n'
    )
    assert preflight.problems(settings) == []
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jwt" else find(name))
    text = "needs the Python package PyJWT, which is not installed; pip install 'nexus-llm-router[oauth]'"
    assert preflight.problems(settings) == [(("server", "oauth"), text)]


def test_an_unreadable_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, since the user who runs the tests may be able to read everything."""
    (tmp_path / "key.json").write_text('{"type": "authorized_user"}')
    google = '[llm.providers.g]\ntype = "google"\nproject = "my-project"\ncredentials = "key.json"\nmodels.m = {}\n'
    monkeypatch.chdir(tmp_path)
    settings = read(tmp_path, f'{google}[server]\nlisten_address = "127.0.0.1:0"\n')
    assert preflight.problems(settings) == []
    monkeypatch.setattr(os, "access", lambda *_: False)
    (problem,) = preflight.problems(settings)
    assert problem == (("llm", "providers", "g", "credentials"), "names a file that this user cannot read")


def test_check_works_while_nexus_is_running(command: Command, tmp_path: Path, serve: Serve) -> None:
    """Whoever edits the file of a running server must be able to check it."""
    nexus = serve(f'[server.keys.alice]\nkey = "{ALICE}"\n{openai_config("http://127.0.0.1:9")}')
    run = command(tmp_path, "check", "-l", f"127.0.0.1:{nexus.port}")
    assert (run.returncode, run.stderr) == (0, "")
    assert "warning: Nexus is already running at this address" in run.stdout


def test_a_unix_socket_in_use_is_reported_by_both(runs: Both, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "n.sock"))
        listener.listen(1)
        said = f"nexus: --listen-address: cannot listen on unix:{tmp_path}/n.sock: "
        for code, stderr in runs(tmp_path, "-l", f"unix:{tmp_path}/n.sock"):
            assert code == 1 and stderr.startswith(said)


def test_check_releases_the_addresses_it_tried(tmp_path: Path) -> None:
    settings = read(tmp_path, f'{ECHO}[server]\nlisten_address = ["127.0.0.1:0", "unix:{tmp_path}/n.sock"]\n')
    assert preflight.problems(settings) == []
    assert not (tmp_path / "n.sock").exists()

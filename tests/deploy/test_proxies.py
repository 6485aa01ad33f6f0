"""nginx and Caddy in front of Nexus: their configurations are valid, and streams, bodies and kept connections work
through them.

If a proxy is missing its tests are skipped, or fail with ``NEXUS_REQUIRE_PROXIES=1``.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tests.conftest import Serve
from tests.deploy.kit import DEPLOY, loaded
from tests.peers import Tls
from tests.serving import Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.ports import free_port

NGINX, CADDY = (DEPLOY / "nginx.conf").read_text(), (DEPLOY / "Caddyfile").read_text()
ECHO = '[llm.providers.e]\ntype = "echo"\nmodels.m = {}\n'
WORDS = "One two three four five six seven."


@dataclass(frozen=True)
class Place:
    """The proxy's address, and that of its upstream."""

    folder: Path
    port: int
    upstream: int
    tls: Tls


def nginx(place: Place) -> list[str]:
    """Its file inside the frame of Debian's nginx.conf, with every name replaced."""
    text = NGINX.replace("listen 443 ssl", f"listen 127.0.0.1:{place.port} ssl")
    for name, own in {"nexus.pem": place.tls.ca_file, "nexus-key.pem": place.tls.key_file}.items():
        text = text.replace(f"/etc/nginx/{name};", f"{own};")
    text = text.replace("server 127.0.0.1:8000", f"server 127.0.0.1:{place.upstream}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {place.folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.getuid() == 0 else ""
    around = f"{user}daemon off;\npid {place.folder}/pid;\nerror_log stderr;\nevents {{}}\n"
    file = place.folder / "nginx.conf"
    file.write_text(f"{around}http {{\naccess_log off;\n{temporary}{text}}}\n")
    return ["nginx", "-p", str(place.folder), "-e", "stderr", "-c", str(file)]


def caddy(place: Place) -> list[str]:
    """Its file with a local port and certificate."""
    own = f"https://localhost:{place.port} {{\n\tbind 127.0.0.1\n\ttls {place.tls.ca_file} {place.tls.key_file}\n"
    text = CADDY.replace("llm.example.com {", own, 1).replace("127.0.0.1:8000", f"127.0.0.1:{place.upstream}")
    file = place.folder / "Caddyfile"
    file.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}}\n{text}")
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


PROXIES: dict[str, Callable[[Place], list[str]]] = {"nginx": nginx, "caddy": caddy}


def needed(program: str) -> None:
    if shutil.which(program) is None:
        if os.environ.get("NEXUS_REQUIRE_PROXIES"):
            pytest.fail(f"{program} is not installed, and NEXUS_REQUIRE_PROXIES is set")
        pytest.skip(f"{program} is not installed")


def environ(folder: Path) -> dict[str, str]:
    """Keeps the proxies' state inside the test's folder."""
    return {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


@contextmanager
def in_front(name: str, place: Place) -> Iterator[None]:
    command = PROXIES[name](place)
    with (place.folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environ(place.folder), cwd=place.folder, stdout=log, stderr=log)
        with process:
            try:
                wait_until(lambda: process.poll() is not None or is_open(place.port))
                assert process.poll() is None, (place.folder / "log").read_text()
                yield
            finally:
                process.terminate()


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except OSError:
        return False
    return True


@dataclass
class Setting:
    nexus: Nexus
    vendor: FakeUpstream
    base: str
    client: openai.DefaultHttpxClient

    @property
    def sdk(self) -> openai.OpenAI:
        base = f"{self.base}/llm/openai/v1"
        return openai.OpenAI(base_url=base, api_key="unused", http_client=self.client, max_retries=0)


@pytest.fixture(params=PROXIES)
def setting(
    request: pytest.FixtureRequest, serve: Serve, openai_upstream: FakeUpstream, tls: Tls, tmp_path: Path
) -> Iterator[Setting]:
    needed(request.param)
    nexus = serve("[server]\nclient_ip.x_real_ip = true\n" + openai_config(openai_upstream.base_url))
    folder = tmp_path / "proxy"
    folder.mkdir()
    trusting = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=tls.ca_file), timeout=60)
    with free_port() as port, in_front(request.param, Place(folder, port, nexus.port, tls)), trusting as client:
        yield Setting(nexus, openai_upstream, f"https://localhost:{port}", client)


@pytest.mark.slow
class TestCalls:
    def test_every_event_of_a_stream_is_forwarded_immediately(self, setting: Setting) -> None:
        """The vendor sends its next event only after the client has received the last one."""
        words = [threading.Event() for _ in range(20)]
        for at_once in words[:2]:  # Nexus holds the beginning until there is content.
            at_once.set()
        setting.vendor.next(Behaviour(text=WORDS, steps=tuple(words)))
        said = ""
        stream = setting.sdk.chat.completions.create(
            model="openai/gpt-4", messages=[{"role": "user", "content": "Count"}], stream=True
        )
        for number, chunk in enumerate(stream, 1):
            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            words[number].set()
        assert said == WORDS

    def test_a_client_disconnect_stops_the_vendor(self, setting: Setting) -> None:
        setting.vendor.next(Behaviour(text=WORDS, endless=True))
        with setting.sdk.chat.completions.create(
            model="openai/gpt-4", messages=[{"role": "user", "content": "Count"}], stream=True
        ) as stream:
            next(iter(stream))
        setting.client.close()
        wait_until(lambda: len(setting.vendor.disconnects) == 1)

    @pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
    def test_a_client_disconnect_stops_a_silent_vendor(self, setting: Setting, stream: bool) -> None:
        """Caddy does not forward it if flush_interval is -1 (caddyserver/caddy, pull request 4952)."""
        setting.vendor.next(Behaviour(hang=True))
        with pytest.raises(openai.APITimeoutError):
            setting.sdk.with_options(timeout=2).chat.completions.create(
                model="openai/gpt-4", messages=[{"role": "user", "content": "Count"}], stream=stream
            )
        wait_until(lambda: len(setting.vendor.disconnects) == 1)

    def test_a_large_body_and_a_second_call_use_the_kept_connection(self, setting: Setting) -> None:
        for text in ("x" * 20_000_000, "short"):
            answer = setting.sdk.chat.completions.create(
                model="openai/gpt-4", messages=[{"role": "user", "content": text}]
            )
            assert answer.choices[0].message.content
        assert [len(request.body) > 20_000_000 for request in setting.vendor.requests] == [True, False]

    def test_metrics_are_not_public(self, setting: Setting) -> None:
        assert setting.client.get(f"{setting.base}/metrics").status_code == 404
        assert setting.client.get(f"{setting.base}/health").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", PROXIES)
def test_the_configuration_is_valid(name: str, tls: Tls, tmp_path: Path) -> None:
    needed(name)
    command = PROXIES[name](Place(tmp_path, 8443, 8000, tls))
    checked = [*command, "-t"] if name == "nginx" else ["caddy", "validate", *command[2:]]
    done = subprocess.run(checked, env=environ(tmp_path), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_their_timeouts_and_limits_match_nexus(tmp_path: Path) -> None:
    server = loaded(ECHO, tmp_path, {}).server
    assert re.findall(r"client_max_body_size (\d+)m;", NGINX) == [str(server.max_upload_size >> 20)]
    assert re.findall(r"max_size (\d+)MiB", CADDY) == [str(server.max_upload_size >> 20)]
    to_nexus = NGINX.partition("server {\n")[0] + CADDY
    kept = [int(found) for found in re.findall(r"(?:    keepalive_timeout|\tkeepalive) (\d+)s", to_nexus)]
    assert len(kept) == 2 and max(kept) < server.keep_alive_timeout
    first_byte = loaded(ECHO, tmp_path, {}).llm.providers["e"].timeouts.first_byte
    waits = re.findall(r"(?:proxy_read_timeout|response_header_timeout) (\d+)s", NGINX + CADDY)
    assert len(waits) == 2 and min(map(int, waits)) > first_byte
    [address] = server.listen_address
    assert f"    server {address};\n" in NGINX and "        proxy_buffering off;\n" in NGINX
    assert f"\treverse_proxy {address} {{\n" in CADDY

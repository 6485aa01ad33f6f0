"""Starts Nexus as a process in front of fake upstreams, to check it with one command.

Nexus starts with a configuration file, as for a user; the file names only fakes on loopback. Everything is stopped on
exit.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nexus.cli.launch.gateway import started
from nexus.settings import load
from tools.conformance.fixture import Cloud
from tools.conformance.upstream import Upstream
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, FakeUpstream, service_account

ROOT = Path(__file__).resolve().parents[2]
MODEL = "anthropic/claude-next"
STRICT = ("anthropic", "cryptography")
"""Packages that the clouds' fakes need to validate requests."""


BASE = """
[server]
# Silence is judged without waiting for what users get: 20s and 10s.
early_ping = "3s"
ping_interval = "200ms"
drain_timeout = "1s"
[llm.providers.anthropic]
type = "anthropic"
api_key = "made-up-vendor-key"
forward_login = "127.0.0.1"
base_url = "{url}"
models.claude-next = {{}}
retries.attempts = 1
"""
BEDROCK = """
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
access_key_id = "{access}"
secret_access_key = "{secret}"
base_url = "{url}"
models.claude.rename = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
"""
VERTEX = """
[llm.providers.vertex]
type = "google"
project = "made-up-project"
location = "us-central1"
credentials = "{file}"
base_url = "{url}"
models.claude.rename = "claude-sonnet-4-5"
"""


@dataclass(frozen=True, slots=True)
class Local:
    url: str
    bedrock: str
    upstream: Upstream
    clouds: tuple[Cloud, ...]


@contextmanager
def running(rules: Sequence[str]) -> Iterator[Local]:
    """A running Nexus; with fake clouds only for the rules that need them, because they take a second to prepare.

    Raises CommandError.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        upstream = stack.enter_context(Upstream("127.0.0.1", 0))
        config = BASE.format(url=upstream.url)
        clouds: tuple[Cloud, ...] = ()
        if (not rules or not {"C3", "C13"}.isdisjoint(rules)) and all(map(find_spec, STRICT)):
            more, clouds = _clouds(stack, folder)
            config += more
        file = folder / "nexus.toml"
        file.write_text(config)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
        environ |= {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder)}
        origin = stack.enter_context(started(load(file, environ), file, environ))
        yield Local(f"{origin}/llm/anthropic", f"{origin}/llm/bedrock", upstream, clouds)


def _clouds(stack: ExitStack, folder: Path) -> tuple[str, tuple[Cloud, ...]]:
    bedrock, vertex = (stack.enter_context(FakeUpstream(vendor)) for vendor in ("bedrock", "vertex"))
    file = folder / "service-account.json"
    file.write_text(json.dumps(service_account(vertex.origin)))
    config = BEDROCK.format(access=ACCESS_KEY, secret=SECRET_KEY, url=bedrock.base_url)
    config += VERTEX.format(file=file, url=vertex.base_url)
    return config, (Cloud("Bedrock", "bedrock/claude", bedrock), Cloud("Vertex AI", "vertex/claude", vertex))

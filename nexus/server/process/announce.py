"""What Nexus prints once it serves: its version, client settings to paste, warnings, and the demo's instructions.

Every line that looks like a command works when pasted into a POSIX shell. No line contains a key.
"""

from __future__ import annotations

import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self

from nexus import __version__
from nexus.auth.cors import advice
from nexus.dataclasses import dataclass
from nexus.server.clients import Access, anthropic_sdk, claude_code, codex, openai_sdk, placeholder, reachable
from nexus.server.sockets.listeners import Listeners
from nexus.server.sockets.listening import base_url
from nexus.settings import Settings
from nexus.settings.warnings import warnings
from nexus.upstream.request import UNIX
from nexus.upstream.tls import authorities_from_environment

log = logging.getLogger("nexus")

DEMO = """\
No nexus.toml here, so this is the demo: a built-in echo provider that answers by itself.
It calls no vendor and needs no key. Models: demo/echo, and demo/echo-tools, which answers
with a tool call when it is given tools.

Try it:

    curl '{base}/llm/openai/v1/chat/completions' -H 'Content-Type: application/json' \\
         -d '{{"model": "demo/echo", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

See the call in a browser: {base}/

Run Claude Code on it with `nexus claude -m demo/echo`, or point it here by hand:

    export ANTHROPIC_BASE_URL='{base}/llm/anthropic'
    export ANTHROPIC_MODEL=demo/echo

If Claude Code asks for a login, set ANTHROPIC_AUTH_TOKEN to any text: Nexus does not check it.

For real models, `nexus init` writes a nexus.toml from the vendor keys in your environment.
(No command `nexus`? Activate its environment first: `. .venv/bin/activate`.)
"""


def demo_text(base: str) -> str:
    """Returns the demo's console text; ``base`` is its URL, such as "http://127.0.0.1:8000"."""
    return DEMO.format(base=reachable(base.rstrip("/")))


def what_to_paste(settings: Settings, base: str) -> Iterator[str]:
    """Yields one line per client: its name, and the command or variables to paste."""
    if not settings.llm.paths or base.startswith(UNIX):
        return
    gateway = Access(settings, base, placeholder(settings))
    if "anthropic" in settings.llm.paths:
        yield f"Claude Code: {_assigned(claude_code(gateway))} claude"
        yield f"Anthropic SDK: {_assigned(anthropic_sdk(gateway))}"
    if "openai" in settings.llm.paths:
        variables, options = codex(gateway)
        yield f"Codex: {' '.join(filter(None, (_assigned(variables), 'codex', shlex.join(options))))}"
        yield f"OpenAI SDK: {_assigned(openai_sdk(gateway))}"
    if reachable(base) != base:
        yield f"from other machines: {socket.gethostname()} (or an address of this machine) instead of localhost"


def _assigned(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of this server; ``health`` and ``metrics`` are None unless they have separate addresses."""

    calls: list[str]
    health: str | None
    metrics: str | None

    @classmethod
    def of(cls, settings: Settings, listeners: Listeners) -> Self:
        """Returns the URLs; the sockets must still be open."""
        secure = settings.server.tls is not None
        health, metrics = (
            next((base_url(sock) for sock in sockets), None) for sockets in (listeners.health, listeners.metrics)
        )
        return cls([base_url(sock, secure=secure) for sock in listeners.calls], health, metrics)


def announce(settings: Settings, urls: Urls, *, demo: bool) -> None:
    bases = urls.calls
    # Prefer a TCP address, because few clients support Unix sockets.
    base = next((base for base in bases if base.startswith(("http:", "https:"))), bases[0])
    log.info(f"Nexus {__version__}")
    for line in what_to_paste(settings, base):
        log.info(line)
    if settings.server.health.enabled:
        log.info(f"health: {reachable(urls.health or base)}{settings.server.health.path}")
    if settings.server.metrics.enabled:
        log.info(f"metrics: {reachable(urls.metrics or base)}{settings.server.metrics.path}")
    if settings.server.shows_dashboard and not base.startswith(UNIX):
        log.info(f"dashboard: {reachable(base)}{settings.server.dashboard.path}")
    if (pages := advice(settings.server.cors)) is not None:
        log.info(pages)
    for other in bases:
        if other != base:
            log.info(f"also listening: {other}")
    if named := authorities_from_environment():
        log.info(f"certificate authorities: from {' and '.join(named)}")
    for warning in warnings(settings):
        log.warning(warning)
    if demo and sys.stdout is not None:
        # Nobody may read it. Unbuffered, because what cannot be written would fail again at the end of the process.
        with suppress(OSError):
            os.write(sys.stdout.fileno(), demo_text(base).encode())

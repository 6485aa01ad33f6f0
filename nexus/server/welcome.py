"""The text at start: commands to paste for each client, and the demo's console.

Every line that looks like a command works when it is pasted, in a POSIX shell; no key is in any.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator, Mapping

from nexus.server.clients import (
    Gateway,
    anthropic_sdk,
    claude_code,
    codex,
    first_model,
    openai_sdk,
    placeholder,
    reachable,
)
from nexus.settings import Settings
from nexus.upstream.request import UNIX

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
    """The console text of the demo, served at ``base`` such as "http://127.0.0.1:8000"."""
    return DEMO.format(base=reachable(base.rstrip("/")))


def what_to_paste(settings: Settings, base: str) -> Iterator[str]:
    """One line for each kind of client: its name, and exactly what it is to be given."""
    gateway = Gateway(settings, base, placeholder(settings))
    if not gateway.paths or base.startswith(UNIX):
        return
    if "anthropic" in gateway.paths:
        large, small = first_model(settings, "sonnet", "claude"), first_model(settings, "haiku", "sonnet", "claude")
        yield f"Claude Code: {_assigned(claude_code(gateway, large, small))} claude"
        yield f"Anthropic SDK: {_assigned(anthropic_sdk(gateway))}"
    if "openai" in gateway.paths:
        variables, options = codex(gateway, first_model(settings))
        yield f"Codex: {' '.join(filter(None, (_assigned(variables), 'codex', shlex.join(options))))}"
        yield f"OpenAI SDK: {_assigned(openai_sdk(gateway))}"
    if reachable(base) != base:
        yield f"from other machines: {socket.gethostname()} (or an address of this machine) in place of localhost"


def _assigned(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())

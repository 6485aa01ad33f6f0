"""The text at start: commands to paste for each client, and the demo's console.

Every line that looks like a command works when it is pasted, in a POSIX shell; no key is in any.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from nexus.headers import own
from nexus.settings import Settings
from nexus.upstream.request import UNIX

DEMO = """\
No nexus.toml here, so this is the demo: a built-in echo provider that answers by itself.
It calls no vendor and needs no key. Models: demo/echo, and demo/echo-tools, which answers
with a tool call when it is given tools.

Try it:

    curl '{base}/llm/openai/v1/chat/completions' -H 'Content-Type: application/json' \\
         -d '{{"model": "demo/echo", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

Point Claude Code at it:

    export ANTHROPIC_BASE_URL='{base}/llm/anthropic'
    export ANTHROPIC_MODEL=demo/echo

If Claude Code asks for a login, set ANTHROPIC_AUTH_TOKEN to any text: it is not checked.

For real models, `nexus init` writes a nexus.toml from the vendor keys in your environment.
"""

NO_KEY = "not-used"
GATEWAY_KEY = "YOUR-GATEWAY-KEY"
TOKEN = "YOUR-TOKEN"

_EVERYWHERE = ("0.0.0.0", "::")


def demo_text(base: str) -> str:
    """The console text of the demo, served at ``base`` such as "http://127.0.0.1:8000"."""
    return DEMO.format(base=reachable(base.rstrip("/")))


def reachable(base: str) -> str:
    """The same server by a name that a client on this machine can call; an address for "everywhere" is none."""
    parts = urlsplit(base)
    return f"{parts.scheme}://localhost:{parts.port}" if parts.hostname in _EVERYWHERE else base


def what_to_paste(settings: Settings, base: str) -> Iterator[str]:
    """One line for each kind of client: its name, and exactly what it is to be given."""
    if not settings.llm.enabled or base.startswith(UNIX):
        return
    paths = {name: path.rstrip("/") for name, path in settings.llm.protocols.enabled_paths().items()}
    here, key, model = reachable(base), _key(settings), _model(settings)
    if "anthropic" in paths:
        url = f"ANTHROPIC_BASE_URL={here}{paths['anthropic']}"
        yield f"Claude Code: {url} {_claude_code(settings, key)} claude"
        yield f"Anthropic SDK: {url} ANTHROPIC_API_KEY={key}"
    if "openai" in paths:
        url = f"{here}{paths['openai']}/v1"
        yield f"Codex: {_codex(url, key, model)}"
        yield f"OpenAI SDK: OPENAI_BASE_URL={url} OPENAI_API_KEY={key}"
    if here != base:
        yield f"from other machines: {socket.gethostname()} (or an address of this machine) in place of localhost"


def _key(settings: Settings) -> str:
    if settings.server.keys:
        return GATEWAY_KEY
    return TOKEN if settings.server.oauth is not None else NO_KEY


def _model(settings: Settings, *words: str) -> str:
    """The first model whose name or vendor's id holds a word, or else the first of all."""
    models = {
        f"{name}/{alias}": f"{provider.type}/{alias}/{model.rename}"
        for name, provider in settings.llm.providers.items()
        for alias, model in provider.models.items()
    }
    return next((name for word in words for name, said in models.items() if word in said), next(iter(models), ""))


def _claude_code(settings: Settings, key: str) -> str:
    logins = any(getattr(provider, "forward_login", False) for provider in settings.llm.providers.values())
    if logins:
        # A token of the gateway's would stand where Claude Code puts its own login.
        credential = [] if key == NO_KEY else [f"ANTHROPIC_CUSTOM_HEADERS={shlex.quote(f'{own.GATEWAY_KEY}: {key}')}"]
    else:
        credential = [f"ANTHROPIC_AUTH_TOKEN={key}"]
    large, small = _model(settings, "sonnet", "claude"), _model(settings, "haiku", "sonnet", "claude")
    models = [f"ANTHROPIC_MODEL={shlex.quote(large)}", f"ANTHROPIC_DEFAULT_HAIKU_MODEL={shlex.quote(small)}"]
    return " ".join([*credential, *models])


def _codex(url: str, key: str, model: str) -> str:
    asked = "" if key == NO_KEY else ', env_key = "NEXUS_KEY"'
    table = f'{{ name = "Nexus", base_url = {json.dumps(url)}, wire_api = "responses"{asked} }}'
    options = f"-c model_provider=nexus -c {shlex.quote(f'model_providers.nexus={table}')} -m {shlex.quote(model)}"
    return f"{'' if key == NO_KEY else f'NEXUS_KEY={key} '}codex {options}"

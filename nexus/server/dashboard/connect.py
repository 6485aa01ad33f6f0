"""Lines to copy into a client, with ``{url}`` for the address by which the browser reached this gateway.

No key is ever in them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nexus.commands.demo import GATEWAY_KEY, NO_KEY, TOKEN
from nexus.headers import own
from nexus.settings import Settings


@dataclass(frozen=True, slots=True)
class Client:
    """``where`` says where the lines go."""

    name: str
    where: str
    lines: str


def clients(settings: Settings, models: Sequence[str]) -> Iterator[Client]:
    """``models`` are those that the caller may use."""
    if not settings.llm.enabled or not models:
        return
    paths = {name: path.rstrip("/") for name, path in settings.llm.protocols.enabled_paths().items()}
    key = GATEWAY_KEY if settings.server.keys else TOKEN if settings.server.oauth is not None else NO_KEY
    if "anthropic" in paths:
        base, large = f"{{url}}{paths['anthropic']}", _pick(models, "sonnet", "claude")
        small = next((name for name in models if "haiku" in name), large)
        yield Client("Claude Code", "in a terminal", _claude_code(settings, base, key, large, small))
        yield Client("Anthropic SDK", "Python", _anthropic(base, key, large))
    if "openai" in paths:
        base, model = f"{{url}}{paths['openai']}/v1", _pick(models, "gpt")
        yield Client("Codex", "~/.codex/config.toml", _codex(base, key, model))
        yield Client("OpenAI SDK", "Python", _openai(base, key, model))
        yield Client("curl", "in a terminal", _curl(base, key, model))


def _pick(models: Sequence[str], *words: str) -> str:
    return next((name for word in words for name in models if word in name), models[0])


def _claude_code(settings: Settings, base: str, key: str, large: str, small: str) -> str:
    logins = any(getattr(provider, "forward_login", False) for provider in settings.llm.providers.values())
    if not logins:
        credential = f"export ANTHROPIC_AUTH_TOKEN={key}\n"
    elif key == NO_KEY:
        credential = ""
    else:
        # A token of the gateway's would stand where Claude Code puts its own login.
        credential = f"export ANTHROPIC_CUSTOM_HEADERS={shlex.quote(f'{own.GATEWAY_KEY}: {key}')}\n"
    return (
        f"export ANTHROPIC_BASE_URL={base}\n{credential}export ANTHROPIC_MODEL={shlex.quote(large)}\n"
        f"export ANTHROPIC_DEFAULT_HAIKU_MODEL={shlex.quote(small)}\nclaude"
    )


def _anthropic(base: str, key: str, model: str) -> str:
    return (
        "from anthropic import Anthropic\n\n"
        f"client = Anthropic(base_url={json.dumps(base)}, api_key={json.dumps(key)})\n"
        f"reply = client.messages.create(\n    model={json.dumps(model)}, max_tokens=1024,\n"
        '    messages=[{"role": "user", "content": "Hello!"}],\n)'
    )


def _openai(base: str, key: str, model: str) -> str:
    return (
        "from openai import OpenAI\n\n"
        f"client = OpenAI(base_url={json.dumps(base)}, api_key={json.dumps(key)})\n"
        f"reply = client.chat.completions.create(\n    model={json.dumps(model)},\n"
        '    messages=[{"role": "user", "content": "Hello!"}],\n)'
    )


def _codex(base: str, key: str, model: str) -> str:
    asked = "" if key == NO_KEY else f'env_key = "NEXUS_KEY"  # export NEXUS_KEY={key}\n'
    return (
        f'model = {json.dumps(model)}\nmodel_provider = "nexus"\n\n[model_providers.nexus]\nname = "Nexus"\n'
        f'base_url = {json.dumps(base)}\nwire_api = "responses"\n{asked}'
    ).rstrip()


def _curl(base: str, key: str, model: str) -> str:
    shown = "" if key == NO_KEY else f" -H 'Authorization: Bearer {key}'"
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
    return f"curl {base}/chat/completions{shown} \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(body)}"

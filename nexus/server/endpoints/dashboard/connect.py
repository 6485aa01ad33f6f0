"""Client settings to copy, with ``{url}`` for the URL by which the browser reached this gateway.

They never contain a key.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence

from nexus.dataclasses import dataclass
from nexus.server.clients import NO_KEY, Access, claude_code, first_model, placeholder
from nexus.settings import Settings


@dataclass(frozen=True, slots=True)
class Client:
    """``lines`` are the settings to copy; ``where`` says where they go."""

    name: str
    where: str
    lines: str


def clients(settings: Settings, models: Sequence[str]) -> Iterator[Client]:
    """Yields the settings of each client; ``models`` are those that the caller may use."""
    gateway = Access(settings, "{url}", placeholder(settings))
    if not models:
        return
    if "anthropic" in settings.llm.paths:
        large = first_model(settings, "sonnet", "claude", among=models)
        small = first_model(settings, "haiku", "sonnet", "claude", among=models)
        yield Client("Claude Code", "in a terminal", _exports(claude_code(gateway, large, small)) + "claude")
        base, key, more = gateway.anthropic, gateway.key, " max_tokens=1024,"
        sdk = _sdk("anthropic", "Anthropic", "messages.create", base, key, large, more)
        yield Client("Anthropic SDK", "Python", sdk)
    if "openai" in settings.llm.paths:
        base, key, model = gateway.openai, gateway.key, first_model(settings, "gpt", among=models)
        yield Client("Codex", "~/.codex/config.toml", _codex(base, key, model))
        yield Client("OpenAI SDK", "Python", _sdk("openai", "OpenAI", "chat.completions.create", base, key, model))
        yield Client("curl", "in a terminal", _curl(base, key, model))


def _exports(variables: Mapping[str, str]) -> str:
    # The page replaces {url}, so it must not be quoted.
    shown = {name: value if value.startswith("{url}") else shlex.quote(value) for name, value in variables.items()}
    return "".join(f"export {name}={value}\n" for name, value in shown.items())


def _sdk(package: str, client: str, create: str, base: str, key: str, model: str, more: str = "") -> str:
    return (
        f"from {package} import {client}\n\n"
        f"client = {client}(base_url={json.dumps(base)}, api_key={json.dumps(key)})\n"
        f"reply = client.{create}(\n    model={json.dumps(model)},{more}\n"
        '    messages=[{"role": "user", "content": "Hello!"}],\n)'
    )


def _codex(base: str, key: str, model: str) -> str:
    env_key = "" if key == NO_KEY else f'env_key = "NEXUS_KEY"  # export NEXUS_KEY={key}\n'
    return (
        f'model = {json.dumps(model)}\nmodel_provider = "nexus"\n\n[model_providers.nexus]\nname = "Nexus"\n'
        f'base_url = {json.dumps(base)}\nwire_api = "responses"\n{env_key}'
    ).rstrip()


def _curl(base: str, key: str, model: str) -> str:
    shown = "" if key == NO_KEY else f" -H 'Authorization: Bearer {key}'"
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
    return f"curl {base}/chat/completions{shown} \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(body)}"

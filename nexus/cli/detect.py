"""Detects vendors that this machine can use: keys and credentials in their usual places, and running model servers.

Law: no value of a key is ever written anywhere. Only this machine is contacted, and only briefly.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from nexus.dataclasses import dataclass, field
from nexus.wire import mapping, sequence, text

MOST_MODELS = 20
MOST_BYTES = 1_000_000
PATIENCE = 0.5
"""Timeout in seconds for a local server to list its models."""


@dataclass(frozen=True, slots=True)
class Found:
    """A vendor that can be called from here. ``name`` is the provider's name, ``kind`` its type, ``lines`` are the
    other settings of its table, ``seen`` is where it was found.
    """

    name: str
    kind: str
    seen: str
    models: tuple[str, ...]
    lines: tuple[str, ...] = ()


_KEYS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "OPENAI_API_KEY": ("openai", ("gpt-6.2-sol", "gpt-6-luna", "gpt-5.5")),
    "ANTHROPIC_API_KEY": ("anthropic", ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")),
    "GEMINI_API_KEY": ("google", ("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite")),
    "GOOGLE_API_KEY": ("google", ("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite")),
}
"""Variable of a key to the provider type and its models to begin with; the first variable set for a type counts."""

_BEDROCK = ("anthropic.claude-sonnet-5-5", "anthropic.claude-haiku-5-5")
_NOVA = "amazon.nova-pro-v1:0"
_NOVAS = {"us": "us", "eu": "eu", "ap": "apac"}
"""Inference profiles of Nova, by how a region's name begins."""

_VERTEX = ("gemini-3.8-flash", "claude-sonnet-5-5", "claude-haiku-5-5")
"""Sources, November 2026: the release notes of @ai-sdk/amazon-bedrock 5.0.99 and 5.0.109, which add these ids of Claude
for both hosts, and LiteLLM 1.110.2's catalogue: the profiles on Bedrock, and no date for the end of any model."""

CONTEXTS: Mapping[str, int] = {
    **dict.fromkeys(("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"), 1_000_000),
    "nova-pro-v1:0": 300_000,
    **dict.fromkeys(("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite"), 1_048_576),
}
"""Context windows in tokens of models above, without the profile and vendor in Bedrock's ids. Sources, November 2026:
the models' pages at platform.claude.com, ai.google.dev and docs.cloud.google.com; for Bedrock, LiteLLM 1.110.2's
catalogue.

OpenAI's are left out: GPT-6.2 takes at most 922,000 tokens of input in a window of 1,050,000, so that an agent which
knows only the window would compact too late.
"""

SERVERS = {"ollama": 11434, "llamacpp": 8080, "vllm": 8000}
"""Model servers with OpenAI's protocol, and their default ports."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look: the environment, the home folder, and local ports by server name."""

    environ: Mapping[str, str]
    home: Path
    servers: Mapping[str, int] = field(default_factory=lambda: SERVERS)

    def vendors(self) -> list[Found]:
        """All vendors found; hosted ones first."""
        return [*self._keys(), *self._bedrock(), *self._vertex(), *self._servers()]

    def _has(self, variable: str) -> bool:
        return bool(self.environ.get(variable, "").strip())

    def _keys(self) -> Iterator[Found]:
        done: set[str] = set()
        for variable, (kind, models) in _KEYS.items():
            if self._has(variable) and kind not in done:
                done.add(kind)
                yield Found(kind, kind, variable, models, (f'api_key = "{{{{ env.{variable} }}}}"',))

    def _bedrock(self) -> Iterator[Found]:
        variables = ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN")
        seen = next((name for name in variables if self._has(name)), None)
        if seen is None and os.path.isfile(self.home / ".aws" / "credentials"):
            seen = "~/.aws/credentials"
        if seen is None and self._profiles():
            seen = "~/.aws/config"
        if seen is not None:
            region = self._region()
            yield Found("bedrock", "bedrock", seen, _bedrock_models(region), (f"region = {json.dumps(region)}",))

    def _profiles(self) -> configparser.ConfigParser | None:
        parser = configparser.ConfigParser()
        try:
            return parser if parser.read(self.home / ".aws" / "config", encoding="utf-8") else None
        except (configparser.Error, UnicodeDecodeError):
            return None

    def _region(self) -> str:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            if self._has(name):
                return self.environ[name].strip()
        profile = self.environ.get("AWS_PROFILE", "").strip()
        section = f"profile {profile}" if profile else "default"
        parser = self._profiles()
        return parser.get(section, "region", fallback="us-east-1") if parser is not None else "us-east-1"

    def _vertex(self) -> Iterator[Found]:
        named = self.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "").strip()
        file = Path(named) if named else self.home / ".config" / "gcloud" / "application_default_credentials.json"
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        named_in_it = (mapping(document).get(name) for name in ("project_id", "quota_project_id"))
        project = next(filter(None, map(text, (self.environ.get("GOOGLE_CLOUD_PROJECT"), *named_in_it))), None)
        if project is not None:
            seen = "GOOGLE_APPLICATION_CREDENTIALS" if named else "gcloud's credentials"
            yield Found("vertex", "google", seen, _VERTEX, (f"project = {json.dumps(project)}",))

    def _servers(self) -> Iterator[Found]:
        for name, port in self.servers.items():
            url = f"http://127.0.0.1:{port}/v1"
            if models := _models_at(url):
                lines = (f'base_url = "{url}"', 'api_key = "not-used"')
                yield Found(name, "openai", f"port {port}", models, lines)


def context_of(model: str) -> int | None:
    """The context window in tokens of a model that this module proposes, if it is known."""
    return CONTEXTS.get(re.sub(r"^(?:[a-z-]+\.)?(?:anthropic|amazon)\.", "", model))


def _bedrock_models(region: str) -> tuple[str, ...]:
    """The ids of Bedrock's models for a region, which it serves only through inference profiles."""
    geography = "us-gov" if region.startswith("us-gov-") else region.partition("-")[0]
    claude = geography if geography in ("us", "eu", "us-gov") else "global"
    nova = (f"{_NOVAS[geography]}.{_NOVA}",) if geography in _NOVAS else ()
    return (*(f"{claude}.{model}" for model in _BEDROCK), *nova)


def _models_at(url: str) -> tuple[str, ...]:
    """The model ids that a server lists; none if it is a Nexus."""
    # Never use a proxy for this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/models", timeout=PATIENCE) as reply:
            if reply.headers.get("Server") == "nexus":
                return ()
            document = json.loads(reply.read(MOST_BYTES))
    except (OSError, ValueError, urllib.error.URLError):
        return ()
    named = (text(mapping(model).get("id")) for model in sequence(mapping(document).get("data")))
    return tuple(name for name in named if name and name.isprintable() and '"' not in name)[:MOST_MODELS]

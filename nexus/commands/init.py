"""``nexus init``: a first ``nexus.toml`` for the vendor keys that the environment holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Vendor:
    """What a first file says about one vendor; the models are where a reader starts to edit."""

    variable: str
    kind: str
    models: tuple[str, ...]


_GEMINI = ("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite")

VENDORS = (
    Vendor("OPENAI_API_KEY", "openai", ("gpt-6.2-sol", "gpt-6-luna", "gpt-5.5", "gpt-4.1")),
    Vendor("ANTHROPIC_API_KEY", "anthropic", ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")),
    # Two names of one vendor's key; the first that is set counts.
    Vendor("GEMINI_API_KEY", "google", _GEMINI),
    Vendor("GOOGLE_API_KEY", "google", _GEMINI),
)

HEAD = """\
# Settings of Nexus. `nexus check` tells what they mean; config/nexus.toml of the source shows every key.
# A key is best left in the environment: {{ env.NAME }} is filled in at start.

[server]
listen_address = "127.0.0.1:8000"
"""

PROVIDER = """
# Clients say {kind}/MODEL. Each table below is one model; `rename = "..."` gives a vendor's id another name.
[llm.providers.{kind}]
type = "{kind}"
api_key = "{{{{ env.{variable} }}}}"
#base_url = "http://localhost:11434/v1"    # any compatible server instead of the vendor's own
"""

ECHO = """
# Answers by itself, without a vendor or a key; with a key in the environment `nexus init` sets up its vendor.
[llm.providers.demo]
type = "echo"
[llm.providers.demo.models.echo]
[llm.providers.demo.models.echo-tools]
"""


def init(path: Path, environ: Mapping[str, str]) -> int:
    """Write a first settings file, readable by its owner only."""
    found = _with_key(environ)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stderr.write(f"nexus: {path} exists already and is left as it is\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"nexus: {path} cannot be written: {(error.strerror or str(error)).lower()}\n")
        return 1
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(render(found))
    using = ", ".join(f"{vendor.kind} ({vendor.variable})" for vendor in found) or "the demo (no vendor key found)"
    sys.stdout.write(f"wrote {path} with {using}; next: nexus check -c {path}\n")
    return 0


def _with_key(environ: Mapping[str, str]) -> list[Vendor]:
    found: dict[str, Vendor] = {}
    for vendor in VENDORS:
        if environ.get(vendor.variable, "").strip():
            found.setdefault(vendor.kind, vendor)
    return list(found.values())


def render(vendors: list[Vendor]) -> str:
    """The text of a settings file with these vendors, or with the echo provider when there are none."""
    return HEAD + ("".join(map(_provider, vendors)) or ECHO)


def _provider(vendor: Vendor) -> str:
    tables = "".join(f'[llm.providers.{vendor.kind}.models."{model}"]\n' for model in vendor.models)
    return PROVIDER.format(kind=vendor.kind, variable=vendor.variable) + tables

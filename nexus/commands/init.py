"""``nexus init``: a first ``nexus.toml`` for the vendors that can be called from this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nexus.commands.detect import SERVERS, Found, Machine

HEAD = """\
# Settings of Nexus. `nexus check` tells what they mean; `nexus config` prints every setting.
# A key is best left in the environment: {{{{ env.NAME }}}} is filled in at start.

[server]
listen_address = "127.0.0.1:{port}"
"""

PROVIDER = """
# Clients say {name}/MODEL. Each table below is one model; `rename = "..."` gives a vendor's id another name.
[llm.providers.{name}]
type = "{kind}"
{lines}
"""

ECHO = """
# Answers by itself, without a vendor or a key; with a key in the environment `nexus init` sets up its vendor.
[llm.providers.demo]
type = "echo"
[llm.providers.demo.models.echo]
[llm.providers.demo.models.echo-tools]
"""


def init(path: Path, environ: Mapping[str, str], servers: Mapping[str, int] = SERVERS) -> int:
    """Write a first settings file, readable by its owner only; returns the exit code."""
    home = Path(environ.get("HOME") or Path.home())
    found = Machine(environ, home, servers).vendors()
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
    using = ", ".join(f"{vendor.name} ({vendor.seen})" for vendor in found) or "the demo (no vendor found)"
    sys.stdout.write(f"wrote {path} with {using}\nnext:\n{_next(path, found)}")
    return 0


def _next(path: Path, found: Sequence[Found]) -> str:
    """The two lines to paste."""
    flag = "" if path == Path("nexus.toml") else f" -c {path}"
    model = f"{found[0].name}/{found[0].models[0]}" if found else "demo/echo"
    return f"    nexus test{flag} {model}\n    nexus claude{flag} -m {model}\n"


def render(vendors: Sequence[Found]) -> str:
    """The text of a settings file with these vendors, or with the echo provider when there are none."""
    taken = any(":8000/" in line for vendor in vendors for line in vendor.lines)
    return HEAD.format(port=8001 if taken else 8000) + ("".join(map(_provider, vendors)) or ECHO)


def _provider(vendor: Found) -> str:
    tables = "".join(
        f"[llm.providers.{vendor.name}.models.{json.dumps(model, ensure_ascii=False)}]\n" for model in vendor.models
    )
    return PROVIDER.format(name=vendor.name, kind=vendor.kind, lines="\n".join(vendor.lines)) + tables

"""``nexus init``: writes a first ``nexus.toml`` for the vendors that this machine can use."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from pydantic import ValidationError

from nexus.cli.configured import home_of
from nexus.cli.detect import SERVERS, Found, Machine, context_of
from nexus.cli.discover import ModelList, discover
from nexus.cli.options import DEFAULT_FILE, Options
from nexus.cli.output import put
from nexus.dataclasses import dataclass
from nexus.settings import Settings, secrets
from nexus.settings.templates import expand
from nexus.telemetry.logs import Redact, redactor

SECONDS = 8.0
"""Timeout for vendors to list their models."""
MOST_CHOSEN = 4
"""Number of models to write for a vendor that offers none of those that Nexus knows."""

HEAD = """\
# Settings of Nexus. `nexus check` validates them; `nexus config` prints every setting.
# Keep keys in the environment: {{{{ env.NAME }}}} is filled in at start.

[server]
listen_address = "127.0.0.1:{port}"
"""

PROVIDER = """
# Clients call {name}/MODEL. Each table below is one model; `rename = "..."` gives a vendor's id another name.
[llm.providers.{name}]
type = "{kind}"
{lines}
"""

OTHERS = """\
# Other models that it offers; remove the "#" to serve one.
"""

ECHO = """
# Answers without a vendor or a key. With a vendor key in the environment, `nexus init` sets up that vendor.
[llm.providers.demo]
type = "echo"
[llm.providers.demo.models.echo]
[llm.providers.demo.models.echo-tools]
"""


@dataclass(frozen=True, slots=True)
class ChosenVendor:
    """A vendor with its models to write, and others to write as comments."""

    vendor: Found
    models: tuple[str, ...]
    others: tuple[str, ...] = ()


def init(options: Options) -> int:
    """``nexus init``; returns the exit code."""
    path = options.config or DEFAULT_FILE
    return write(path, os.environ, discovers=not options.offline, every=options.every_model)


def write(
    path: Path,
    environ: Mapping[str, str],
    servers: Mapping[str, int] = SERVERS,
    *,
    discovers: bool = True,
    every: bool = False,
) -> int:
    """Writes a first settings file, readable by its owner only; returns the exit code. ``discovers``: asks the vendors
    which models they offer and writes the most useful ones, or with ``every`` all of them.
    """
    if os.path.lexists(path):
        sys.stderr.write(f"nexus: {path} already exists and was not changed; remove it to start anew\n")
        return 1
    home = home_of(environ)
    found = Machine(environ, home, servers).vendors()
    answers, redact = _discovered(found, environ) if discovers else ({}, str)
    chosen = [_chosen(vendor, answers.get(vendor.name, ModelList(silent=True)), every) for vendor in found]
    try:
        _create(path, render(chosen))
    except OSError as error:
        sys.stderr.write(f"nexus: {path} cannot be written: {(error.strerror or str(error)).lower()}\n")
        return 1
    using = ", ".join(_describe(one) for one in chosen) or "the demo (no vendor found)"
    failed = "".join(
        redact(f"{name}: wrote the models known to Nexus, because the vendor's list is unavailable: {answer.failed}\n")
        for name, answer in answers.items()
        if answer.failed
    )
    put(f"wrote {path} with {using}\n{failed}next:\n{_next(path, chosen)}")
    return 0


def _create(path: Path, text: str) -> None:
    """Creates a file with ``text``, or no file if writing fails. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        path.unlink()
        raise


def _discovered(found: Sequence[Found], environ: Mapping[str, str]) -> tuple[Mapping[str, ModelList], Redact]:
    """The answers of the vendors, and a redactor of their keys."""
    data = expand(tomllib.loads(render([ChosenVendor(vendor, vendor.models) for vendor in found])), environ).data
    try:
        settings = Settings.model_validate(data)
    except ValidationError:
        # ``nexus check`` will report the problem with its line.
        return {}, str
    return discover(settings, SECONDS), redactor(secrets(settings))


def _chosen(vendor: Found, answer: ModelList, every: bool) -> ChosenVendor:
    offered = [one for one in answer.offered if one.answers]
    if not offered:
        return ChosenVendor(vendor, vendor.models)
    if every:
        return ChosenVendor(vendor, tuple(one.id for one in offered))
    known = tuple(name for name in vendor.models if any(one.is_called(name) for one in offered))
    models = known or tuple(one.id for one in offered[:MOST_CHOSEN])
    rest = tuple(one.id for one in offered if not any(one.is_called(name) for name in models))
    return ChosenVendor(vendor, models, rest)


def _describe(chosen: ChosenVendor) -> str:
    whole = len(chosen.models) + len(chosen.others)
    share = f", {len(chosen.models)} of {whole} models" if chosen.others else ""
    return f"{chosen.vendor.name} ({chosen.vendor.seen}{share})"


def _next(path: Path, found: Sequence[ChosenVendor]) -> str:
    flag = "" if path == Path("nexus.toml") else f" -c {quote(str(path))}"
    model = f"{found[0].vendor.name}/{found[0].models[0]}" if found else "demo/echo"
    return f"    nexus test{flag} {quote(model)}\n    nexus claude{flag} -m {quote(model)}\n"


def render(vendors: Sequence[ChosenVendor]) -> str:
    """The text of a settings file with these vendors, or with the echo provider when there are none."""
    taken = any(":8000/" in line for chosen in vendors for line in chosen.vendor.lines)
    return HEAD.format(port=8001 if taken else 8000) + ("".join(map(_provider, vendors)) or ECHO)


def _provider(chosen: ChosenVendor) -> str:
    vendor = chosen.vendor
    table = PROVIDER.format(name=vendor.name, kind=vendor.kind, lines="\n".join(vendor.lines))
    others = "".join(f"#{line}" for line in _lines(vendor.name, chosen.others))
    return table + "".join(_lines(vendor.name, chosen.models)) + (OTHERS + others if others else "")


def _lines(provider: str, models: Sequence[str]) -> Iterator[str]:
    for model in models:
        yield f"[llm.providers.{provider}.models.{json.dumps(model, ensure_ascii=False)}]\n"
        if (context := context_of(model)) is not None:
            yield f"context = {context}\n"

"""Entry point of the command line: reads flags and environment, and runs a command.

Law: the only composition root. Nothing else reads ``os.environ`` or ``sys.argv``. Settings are imported only for
commands that need them, and the server only to serve, so that ``--help`` and ``check`` are fast.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from nexus.cli.options import CommandError, read_options

ALONE: Mapping[str, str] = {
    "key new": "key:new",
    "init": "init:init",
    "login": "login:login",
    "schema": "schema:schema",
    "config": "schema:config",
    "completion": "completion:completion",
    "test": "smoke.main:test",
}
"""Commands that need no settings or read them themselves, with their function, which takes the options."""

WITH_SETTINGS: Mapping[str, str] = {
    "key rotate": "key:rotate",
    "route": "route:route",
    "usage": "usage:usage",
    "claude": "launch.agent:launch",
    "codex": "launch.agent:launch",
    "env": "launch.agent:show",
}
"""Commands whose function takes the options, the settings and their source. ``run`` handles ``check`` and ``serve``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = read_options(sys.argv[1:] if argv is None else argv, os.environ)
    if options.command != "serve":
        gc.enable()
    try:
        if (name := ALONE.get(options.command)) is not None:
            return _function(name)(options)
        from nexus.cli.configured import run

        return run(options, _function(name) if (name := WITH_SETTINGS.get(options.command)) is not None else None)
    except CommandError as error:
        sys.stderr.write(f"nexus {options.command}: {error}\n")
        return 1


def _function(qualified: str) -> Callable[..., int]:
    module, _, name = qualified.partition(":")
    function: Callable[..., int] = getattr(import_module(f"nexus.cli.{module}"), name)
    return function

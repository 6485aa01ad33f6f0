"""The command line: reads flags and environment, and hands over to a command.

Law: the only composition root. Nothing else reads ``os.environ`` or ``sys.argv``. Settings are imported only for a
command that needs them, and the server only when it is about to run, so that ``--help`` and ``check`` answer at once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from nexus.cli.options import DEFAULT_FILE, Options, read_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = read_options(sys.argv[1:] if argv is None else argv, os.environ)
    if (command := ALONE.get(options.command)) is not None:
        gc.enable()
        return command(options)
    from nexus.cli.configured import run

    return run(options)


def _key_new(options: Options) -> int:
    from nexus.commands.key import new

    return new(options.name)


def _init(options: Options) -> int:
    from nexus.commands.init import init

    path = options.config or DEFAULT_FILE
    return init(path, os.environ, asks=not options.offline, every=options.every_model)


def _schema(options: Options) -> int:
    from nexus.commands.schema import schema

    return schema()


def _config(options: Options) -> int:
    from nexus.commands.schema import config

    return config()


def _completion(options: Options) -> int:
    from nexus.cli.completion import completion

    return completion(options.shell)


def _test(options: Options) -> int:
    from nexus.cli.smoke.main import main as test

    named = ["--config", str(options.config)] if options.config is not None else []
    return test([*named, *options.arguments], os.environ)


def _login(options: Options) -> int:
    from nexus.cli.configured import login

    return login(options)


ALONE: Mapping[str, Callable[[Options], int]] = {
    "key new": _key_new,
    "init": _init,
    "login": _login,
    "schema": _schema,
    "config": _config,
    "completion": _completion,
    "test": _test,
}
"""Commands that need no settings, or read them themselves."""

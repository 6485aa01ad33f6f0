"""The command line: reads flags and environment, loads the settings, hands over to a command.

Law: the only composition root. Nothing else reads ``os.environ`` or ``sys.argv``, and the server is imported only when
it is about to run, so that ``check`` and ``--version`` answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nexus.cli.options import DEFAULT_FILE, Options, read_options, source_of
from nexus.commands.colours import is_coloured, render
from nexus.registry import NoProviders
from nexus.server import preflight
from nexus.server.service import BadSocket, Service, service_of
from nexus.server.source import Source
from nexus.settings import Problem, Settings, SettingsError, secrets
from nexus.telemetry import logs


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = read_options(sys.argv[1:] if argv is None else argv, os.environ)
    if (command := ALONE.get(options.command)) is not None:
        return command(options)
    service = Service()
    try:
        if options.command == "serve":
            service = service_of(os.environ, os.getpid())
            options = handed_over(options, service)
        source = source_of(options, os.environ)
        settings = source.read()
    except SettingsError as error:
        return _refused(error.problems, options)
    except (NoProviders, BadSocket) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if (asks := WITH_SETTINGS.get(options.command)) is not None:
        return asks(options, settings, source)
    checks = options.command == "check"
    # Sockets that are handed over are open already, and bound.
    beside = bool(service.calls) or (checks and preflight.is_served_by_nexus(settings))
    if found := source.obstacles(settings, beside=beside):
        return _refused(found, options)
    if checks:
        from nexus.commands.check import check

        coloured = is_coloured(sys.stdout, options.color, os.environ)
        named = str(source.file or "no nexus.toml here, the built-in demo")
        return check(settings, named, beside=beside, coloured=coloured, asks=options.discover)
    from nexus.server.run import serve

    logs.configure(options.log, options.log_style, secrets(settings))
    return serve(settings, source, service)


def _refused(problems: Iterable[Problem], options: Options) -> int:
    sys.stderr.write(render(problems, coloured=is_coloured(sys.stderr, options.color, os.environ)))
    return 1


def handed_over(options: Options, service: Service) -> Options:
    """With the addresses of sockets that a service manager hands over: who may be served there is judged by them."""
    return replace(options, listen_address=service.addresses) if service.calls else options


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


def _key_rotate(options: Options, settings: Settings, source: Source) -> int:
    from nexus.commands.key import rotate

    return rotate(settings, options.name, str(source.file or "the built-in demo"))


def _route(options: Options, settings: Settings, source: Source) -> int:
    from nexus.commands.route import route

    return route(settings, options.request or Path("-"), options.protocol, options.key)


def _usage(options: Options, settings: Settings, source: Source) -> int:
    from nexus.commands.usage import usage

    return usage(settings, options.since, options.by, options.written)


def _agent(options: Options, settings: Settings, source: Source) -> int:
    from nexus.cli.launch.agent import launch

    return launch(options.command, settings, source.file, options.model, options.arguments, os.environ)


def _env(options: Options, settings: Settings, source: Source) -> int:
    from nexus.cli.launch.agent import show

    return show(options.client, settings, options.model, os.environ)


def _login(options: Options) -> int:
    from nexus.commands.login import CannotLogIn, how_to_log_in, login

    try:
        source = source_of(options, os.environ)
        # Whoever says it all needs no settings, least of all the gateway's with the keys that they name.
        settings = None if options.issuer and options.client_id else source.read()
        how = how_to_log_in(settings, options.issuer, options.client_id)
    except SettingsError as error:
        return _refused(error.problems, options)
    except (CannotLogIn, NoProviders) as error:
        sys.stderr.write(f"nexus login: {error}\n")
        return 1
    return login(how, os.environ, anew=options.anew)


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

WITH_SETTINGS: Mapping[str, Callable[[Options, Settings, Source], int]] = {
    "key rotate": _key_rotate,
    "route": _route,
    "usage": _usage,
    "claude": _agent,
    "codex": _agent,
    "env": _env,
}

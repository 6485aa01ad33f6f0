"""Commands that need settings, serving among them: reads the settings, says what is wrong with them, hands over."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from nexus.cli.options import DEFAULT_FILE, Options
from nexus.cli.parser import AGENTS
from nexus.commands.colours import is_coloured, render
from nexus.registry import NoProviders
from nexus.server import preflight
from nexus.server.service import BadSocket, Service, service_of
from nexus.server.source import Source
from nexus.settings import Problem, Settings, SettingsError, secrets
from nexus.telemetry import logs


def run(options: Options) -> int:
    """Run one command; returns the exit code."""
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
        gc.enable()
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


def source_of(options: Options, environ: Mapping[str, str]) -> Source:
    """The file is chosen once: when it is gone later, nothing else takes its place. An agent runs in folders of other
    people, whose nexus.toml must not be where its keys go: for it the user's own file comes first.
    """
    files = [DEFAULT_FILE, user_file(environ)]
    if options.command in AGENTS:
        files.reverse()
    file = options.config or next((file for file in files if os.path.lexists(file)), None)
    return Source(file, environ, options.listen_address)


def user_file(environ: Mapping[str, str]) -> Path:
    """The settings file of a user, which serves in every folder."""
    named = environ.get("XDG_CONFIG_HOME", "")
    base = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".config"
    return base / "nexus" / "nexus.toml"


def _refused(problems: Iterable[Problem], options: Options) -> int:
    sys.stderr.write(render(problems, coloured=is_coloured(sys.stderr, options.color, os.environ)))
    return 1


def handed_over(options: Options, service: Service) -> Options:
    """With the addresses of sockets that a service manager hands over: who may be served there is judged by them."""
    return replace(options, listen_address=service.addresses) if service.calls else options


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


def login(options: Options) -> int:
    """``nexus login``, which may do without settings; returns the exit code."""
    from nexus.commands.login import CannotLogIn, how_to_log_in
    from nexus.commands.login import login as log_in

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
    return log_in(how, os.environ, anew=options.anew)


WITH_SETTINGS: Mapping[str, Callable[[Options, Settings, Source], int]] = {
    "key rotate": _key_rotate,
    "route": _route,
    "usage": _usage,
    "claude": _agent,
    "codex": _agent,
    "env": _env,
}

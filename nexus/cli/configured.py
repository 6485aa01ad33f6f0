"""Runs the commands that need settings, serving included: reads the settings and reports their problems."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nexus.cli.colours import is_coloured, render
from nexus.cli.options import DEFAULT_FILE, Options
from nexus.cli.parser import AGENTS
from nexus.cli.recognize import served_at
from nexus.dataclasses import replace
from nexus.server.process.source import Source
from nexus.server.sockets.service import BadSocket, Service, service_of
from nexus.settings import Problem, Settings, SettingsError, secrets
from nexus.settings.registry import NoProviders
from nexus.settings.usage import own_folder
from nexus.telemetry import logs


def run(options: Options, command: Callable[[Options, Settings, Source], int] | None) -> int:
    """Runs ``command``, or ``check`` or ``serve`` if it is None; returns the exit code."""
    service = Service()
    try:
        if options.command == "serve":
            service = service_of(os.environ, os.getpid())
            options = handed_over(options, service)
        source = source_of(options, os.environ)
        settings = source.read()
    except SettingsError as error:
        return refused(error.problems, options)
    except (NoProviders, BadSocket) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if command is not None:
        return command(options, settings, source)
    checks = options.command == "check"
    # A service manager hands over sockets that are already bound, so their ports must not be checked for being free.
    running = bool(service.calls) or (checks and served_at(settings) is not None)
    if found := source.obstacles(settings, running=running):
        return refused(found, options)
    if checks:
        from nexus.cli.check import check

        coloured = is_coloured(sys.stdout, options.color, os.environ)
        named = str(source.file or "no nexus.toml here, the built-in demo")
        return check(settings, named, running=running, coloured=coloured, discovers=options.discover)
    from nexus.server.process.run import serve

    logs.configure(options.log, options.log_style, secrets(settings))
    return serve(settings, source, service)


def source_of(options: Options, environ: Mapping[str, str]) -> Source:
    """Chooses the settings file. It is chosen once: if it disappears later, no other file replaces it. An agent may run
    in a folder with someone else's nexus.toml, which must not receive the user's keys, so for agents the user's own
    file comes first.
    """
    files = [DEFAULT_FILE, user_file(environ)]
    if options.command in AGENTS:
        files.reverse()
    file = options.config or next((file for file in files if os.path.lexists(file)), None)
    return Source(file, environ, options.listen_address)


def user_file(environ: Mapping[str, str]) -> Path:
    """The user's settings file, which applies in every folder."""
    folder = own_folder(environ, "XDG_CONFIG_HOME", ".config") or home_of(environ) / ".config" / "nexus"
    return folder / "nexus.toml"


def home_of(environ: Mapping[str, str]) -> Path:
    """HOME, else what the system knows; "/" for a user that it does not know, as a container may have."""
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        return Path("/")


def refused(problems: Sequence[Problem], options: Options) -> int:
    """Prints the problems to stderr; returns the exit code."""
    sys.stderr.write(render(problems, coloured=is_coloured(sys.stderr, options.color, os.environ)))
    return 1


def handed_over(options: Options, service: Service) -> Options:
    """``options`` with the addresses of the sockets that a service manager handed over, so that the checks of exposure
    apply to them."""
    return replace(options, listen_address=service.addresses) if service.calls else options

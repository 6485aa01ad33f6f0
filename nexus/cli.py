"""The command line: reads flags and environment, loads the settings, hands over to a command.

Law: the only composition root. Nothing else reads ``os.environ`` or ``sys.argv``, and the server is imported only when
it is about to run, so that ``check`` and ``--version`` answer at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import nexus
from nexus.accounting.report import BY, check_by
from nexus.accounting.since import since_of
from nexus.accounting.tabulate import FORMATS
from nexus.registry import NoProviders
from nexus.server import preflight
from nexus.server.service import BadSocket, Service, service_of
from nexus.server.source import Source
from nexus.settings import SettingsError, secrets
from nexus.settings.listen import AnyAddress, read_addresses
from nexus.telemetry import logs

DEFAULT_FILE = Path("nexus.toml")


@dataclass(frozen=True, slots=True)
class Options:
    """What flags and environment say, flags first."""

    command: str
    config: Path | None
    listen_address: tuple[AnyAddress, ...] | None
    log: str
    log_style: str
    name: str = ""
    request: Path | None = None
    protocol: str = ""
    key: str = ""
    since: str = ""
    by: str = ""
    written: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = read_options(sys.argv[1:] if argv is None else argv, os.environ)
    if options.command == "key":
        from nexus.commands.key import new

        return new(options.name)
    if options.command == "init":
        from nexus.commands.init import init

        return init(options.config or DEFAULT_FILE, os.environ)
    if options.command in ("schema", "config"):
        from nexus.commands import schema

        return schema.schema() if options.command == "schema" else schema.config()
    service = Service()
    try:
        if options.command == "serve":
            service = service_of(os.environ, os.getpid())
            options = handed_over(options, service)
        source = source_of(options, os.environ)
        settings = source.read()
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return 1
    except (NoProviders, BadSocket) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.command == "route":
        from nexus.commands.route import route

        return route(settings, options.request or Path("-"), options.protocol, options.key)
    if options.command == "usage":
        from nexus.commands.usage import usage

        return usage(settings, options.since, options.by, options.written)
    checks = options.command == "check"
    # Sockets that are handed over are open already, and bound.
    beside = bool(service.calls) or (checks and preflight.is_served_by_nexus(settings))
    if found := source.obstacles(settings, beside=beside):
        sys.stderr.write("".join(f"{problem}\n" for problem in found))
        return 1
    if checks:
        from nexus.commands.check import check

        return check(settings, str(source.file or "no nexus.toml here, the built-in demo"), beside=beside)
    from nexus.server.run import serve

    logs.configure(options.log, options.log_style, secrets(settings))
    return serve(settings, source, service)


def handed_over(options: Options, service: Service) -> Options:
    """With the addresses of sockets that a service manager hands over: who may be served there is judged by them."""
    return replace(options, listen_address=service.addresses) if service.calls else options


def source_of(options: Options, environ: Mapping[str, str]) -> Source:
    """The file is chosen once: when it is gone later, nothing else takes its place."""
    file = options.config or (DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None)
    return Source(file, environ, options.listen_address)


def read_options(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Flags win over the environment; an empty variable counts as unset."""
    parser = _parser()
    # argparse would take the value of a flag that it does not know for a command.
    for flag in (word.partition("=")[0] for word in argv):
        if flag.startswith("--") and flag not in _flags(parser):
            parser.error(f"unrecognized arguments: {flag}")
    given = vars(parser.parse_args(argv))

    def pick(flag: str, variable: str) -> tuple[str, str]:
        if flag in given:
            value = given[flag]
            return ",".join(value) if isinstance(value, list) else value, f"--{flag.replace('_', '-')}"
        return environ.get(variable, ""), variable

    def choice(flag: str, variable: str, known: Sequence[str], default: str) -> str:
        value, source = pick(flag, variable)
        if value and value not in known:
            _refuse(parser, source, f"choose from {', '.join(known)}{_hint(value, known)}")
        return value or default

    config, source = pick("config", "NEXUS_CONFIG_PATH")
    if not config and source == "--config":
        _refuse(parser, source, "a path is missing")
    address, source = pick("listen_address", "NEXUS_LISTEN_ADDRESS")
    try:
        listen_address = read_addresses(address) if address or source.startswith("--") else None
    except ValueError as error:
        _refuse(parser, source, str(error))
    return Options(
        command=given["command"] or "serve",
        config=Path(config) if config else None,
        listen_address=listen_address,
        log=choice("log", "NEXUS_LOG", tuple(logs.LEVELS), "info"),
        log_style=choice("log_style", "NEXUS_LOG_STYLE", logs.STYLES, "human" if sys.stderr.isatty() else "text"),
        name=given.get("name", ""),
        request=given.get("request"),
        protocol=given.get("protocol", "openai"),
        key=given.get("key", ""),
        since=given.get("since", "24h"),
        by=given.get("by", "model"),
        written=given.get("written", "table"),
    )


def _refuse(parser: argparse.ArgumentParser, source: str, message: str) -> NoReturn:
    parser.error(f"{source}: {message}")


class _Parser(argparse.ArgumentParser):
    """Names the nearest of what it knows where it is told what it does not know."""

    def error(self, message: str) -> NoReturn:
        super().error(message + self._nearest(message))

    def _nearest(self, message: str) -> str:
        if found := re.search(r"invalid choice: '([^']*)'", message):
            known = [name for action in self._actions if action.choices for name in action.choices]
            return _hint(found[1], known)
        if found := re.search(r"unrecognized arguments: (-[^ =]+)", message):
            flags = _flags(self)
            return _hint(found[1], flags) if found[1] not in flags else ""
        return ""


def _flags(parser: argparse.ArgumentParser) -> set[str]:
    """Of the parser and of its commands."""
    own = {flag for action in parser._actions for flag in action.option_strings}
    commands = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    return own.union(*(_flags(command) for choices in commands for command in choices.values()))


def _hint(given: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(given, list(known), 1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _parser() -> argparse.ArgumentParser:
    config, serving = _config_flags(), _serving_flags()
    parser = _Parser(
        prog="nexus",
        description="One LLM endpoint in front of many model vendors. Without a command it serves.",
        parents=[config, serving],
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"nexus {nexus.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser(
        "check",
        help="validate the settings and print the routes they make",
        parents=[config, serving],
        allow_abbrev=False,
    )
    commands.add_parser(
        "init",
        help="write a first nexus.toml for the vendor keys in the environment",
        parents=[config],
        allow_abbrev=False,
    )
    _add_route(
        commands.add_parser(
            "route", help="tell where a request would go, and why", parents=[config], allow_abbrev=False
        )
    )
    commands.add_parser("config", help="print every setting, annotated", allow_abbrev=False)
    commands.add_parser("schema", help="print the JSON Schema of the settings file, for editors", allow_abbrev=False)
    _add_usage(
        commands.add_parser("usage", help="tell who used what, and what it cost", parents=[config], allow_abbrev=False)
    )
    key = commands.add_parser("key", help="make keys for callers", allow_abbrev=False)
    verbs = key.add_subparsers(dest="verb", metavar="VERB", required=True)
    fresh = verbs.add_parser("new", help="print a fresh key and its table for the settings file", allow_abbrev=False)
    fresh.add_argument("name", metavar="NAME", help="whose key it is")
    return parser


def _add_route(route: argparse.ArgumentParser) -> None:
    route.add_argument(
        "--explain",
        dest="request",
        metavar="FILE",
        type=Path,
        required=True,
        help="the body of a request as JSON; - reads it from the standard input. Nobody is asked",
    )
    route.add_argument(
        "--protocol", choices=("openai", "anthropic"), default="openai", help="in which it is written (default openai)"
    )
    route.add_argument("--key", metavar="NAME", default="", help="the gateway key that it comes with, by its name")


def _add_usage(usage: argparse.ArgumentParser) -> None:
    usage.add_argument(
        "--since",
        metavar="WHEN",
        type=_checked(partial(since_of, now=time.time())),
        default=argparse.SUPPRESS,
        help="a duration such as 24h or 7d, today, month, a date or a moment; days are those of UTC (default 24h)",
    )
    usage.add_argument(
        "--by",
        metavar="WHAT",
        type=_checked(check_by),
        default=argparse.SUPPRESS,
        help=f"{', '.join(BY)}; tag:NAME for the values of one tag (default model)",
    )
    usage.add_argument(
        "--format", dest="written", choices=tuple(FORMATS), default=argparse.SUPPRESS, help="(default table)"
    )


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """The text itself, once it has been found good."""

    def read(text: str) -> str:
        try:
            check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return read


class _Once(argparse.Action):
    """A flag of which one alone can count; the parsers of commands share it."""

    _given = False

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        if self._given:
            raise argparse.ArgumentError(self, "was given twice")
        self._given = True
        setattr(namespace, self.dest, values)


class _Every(argparse.Action):
    """A flag of which each one counts, on both sides of a command."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._values: list[object] = []

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        self._values.append(values)
        setattr(namespace, self.dest, self._values)


# Defaults are suppressed throughout: a subcommand would overwrite with its default what stood before its name.
def _config_flags() -> _Parser:
    flags = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    flags.add_argument(
        "-c",
        "--config",
        metavar="PATH",
        action=_Once,
        help="settings file (env NEXUS_CONFIG_PATH; default ./nexus.toml if it exists, else a demo)",
    )
    return flags


def _serving_flags() -> _Parser:
    flags = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    flags.add_argument(
        "-l",
        "--listen-address",
        metavar="HOST:PORT",
        action=_Every,
        help="where to listen, over what the file says: HOST:PORT or unix:PATH; may be given several times "
        "(env NEXUS_LISTEN_ADDRESS, with commas; default 127.0.0.1:8000)",
    )
    flags.add_argument(
        "--log", metavar="LEVEL", action=_Once, help=f"{', '.join(logs.LEVELS)} (env NEXUS_LOG; default info)"
    )
    flags.add_argument(
        "--log-style",
        metavar="STYLE",
        action=_Once,
        help=f"{', '.join(logs.STYLES)} (env NEXUS_LOG_STYLE; default text; on a terminal human)",
    )
    return flags

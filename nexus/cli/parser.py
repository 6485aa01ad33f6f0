"""The argument parser: commands, flags, and suggestions for unknown ones."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import nexus
from nexus.accounting.report_options import BY, FORMATS, check_by
from nexus.cli.words import hint
from nexus.telemetry.lines import LEVELS, STYLES

Value = TypeVar("Value")


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest known word for an unknown one; accepts no abbreviated flags."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        super().error(message + self._nearest(message))

    def _nearest(self, message: str) -> str:
        if found := re.search(r"invalid choice: '([^']*)'", message):
            known = [name for action in self._actions if action.choices for name in action.choices]
            if found[1] in AGENTS:
                return f"; run nexus {found[1]}"
            return hint(found[1], known)
        if found := re.search(r"unrecognized arguments: (-[^ =]+)$", message):
            flags = flags_of(self)
            return hint(found[1], flags) if found[1] not in flags else ""
        return ""


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """All flags of a parser and its commands."""
    own = {flag for action in parser._actions for flag in action.option_strings}
    commands = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    return own.union(*(flags_of(command) for choices in commands for command in choices.values()))


FROM_ENV, HERE, OWN = "env NEXUS_CONFIG_PATH", "./nexus.toml", "~/.config/nexus/nexus.toml"

COLOURED = ("auto", "always", "never")
"""When to use colours; see ``is_coloured`` for ``auto``."""

AGENTS: Mapping[str, str] = {"claude": "Claude Code", "codex": "Codex"}
"""Commands that run an agent, and the agent's name."""


def make_parser() -> Parser:
    """The parser of the whole command line, without the arguments after "--"."""
    config, serving = _config_flags(), _serving_flags()
    top = Parser(
        prog="nexus",
        description="One server in front of many LLM vendors. Without a command it starts the server.",
        parents=[config, serving],
    )
    top.add_argument("-V", "--version", action="version", version=f"nexus {nexus.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="start the server (the default)", parents=[config, serving])
    _add_agents(commands, config)
    check = commands.add_parser("check", help="validate the settings and print the routes", parents=[config, serving])
    check.add_argument(
        "--discover",
        action="store_true",
        help="also compare with the models that vendors offer; exits with 1 if a vendor does not answer",
    )
    init = commands.add_parser(
        "init",
        help="write a first nexus.toml for the vendor keys in the environment",
        parents=[_config_flags(f"the file to write ({FROM_ENV}; default {HERE})")],
    )
    init.add_argument(
        "--all",
        dest="every_model",
        action="store_true",
        help="write every model that a vendor offers, not only a selection",
    )
    init.add_argument("--offline", action="store_true", help="do not query vendors for their models")
    _add_route(commands.add_parser("route", help="show where a request would go, and why", parents=[config]))
    _add_usage(commands.add_parser("usage", help="show usage and cost", parents=[config]))
    test = commands.add_parser("test", help="try every model through every protocol", parents=[config], add_help=False)
    test.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("config", help="print every setting, annotated")
    commands.add_parser("schema", help="print the JSON Schema of the settings file, for editors")
    shell = commands.add_parser("completion", help="print completion for a shell")
    shell.add_argument("shell", choices=("bash", "zsh", "fish"))
    _add_login(commands, config)
    key = commands.add_parser("key", help="make keys for callers")
    verbs = key.add_subparsers(dest="verb", metavar="VERB", required=True)
    fresh = verbs.add_parser("new", help="print a new key and its table for the settings file")
    fresh.add_argument("name", metavar="NAME", help="name of the caller")
    again = verbs.add_parser(
        "rotate", help="print a second key for a name, and the line that keeps both valid", parents=[config]
    )
    again.add_argument("name", metavar="NAME", help="name of the caller")
    return top


def _add_agents(commands: Any, config: Parser) -> None:
    own = _config_flags(f"settings file ({FROM_ENV}; default {OWN}, else {HERE}, else a demo)")
    for name, program in AGENTS.items():
        agent = commands.add_parser(
            name,
            help=f"run {program} through the running gateway, or start one for it",
            usage=f"nexus {name} [-m MODEL] [-c PATH] [-- ARGUMENTS OF {name.upper()}]",
            parents=[own],
        )
        _add_model(agent)
    env = commands.add_parser("env", help="print the variables that point a client at this gateway", parents=[config])
    env.add_argument(
        "client", choices=("claude", "openai", "anthropic"), help="Codex reads no such variables: run nexus codex"
    )
    _add_model(env)


def _add_login(commands: Any, config: Parser) -> None:
    login = commands.add_parser(
        "login",
        help="print a token from the identity provider; logs in once in a browser, then renews it",
        parents=[config],
    )
    login.add_argument("--issuer", metavar="URL", default="", help="instead of server.oauth.issuer")
    login.add_argument("--client-id", metavar="ID", default="", help="instead of server.oauth.login.client_id")
    login.add_argument(
        "--anew", action="store_true", help="always allow a login in the browser, even if stderr is not a terminal"
    )


def _add_model(agent: argparse.ArgumentParser) -> None:
    agent.add_argument(
        "-m",
        "--model",
        metavar="MODEL",
        default="",
        help="such as google/gemini-3.8-flash (default: the first one in the settings)",
    )


def _add_route(route: argparse.ArgumentParser) -> None:
    route.add_argument(
        "--explain",
        dest="request",
        metavar="FILE",
        type=Path,
        required=True,
        help="the JSON body of a request, or - for standard input; no vendor is called",
    )
    route.add_argument(
        "--protocol",
        choices=("openai", "anthropic", "google", "bedrock", "vertex"),
        default="openai",
        help="protocol of the request (default openai)",
    )
    route.add_argument("--model", metavar="NAME", default="", help="the model, for google, bedrock and vertex")
    route.add_argument("--key", metavar="NAME", default="", help="name of the gateway key that sends it")


def _add_usage(usage: argparse.ArgumentParser) -> None:
    usage.add_argument(
        "--since",
        metavar="WHEN",
        type=typed(_since),
        default=argparse.SUPPRESS,
        help="a duration such as 24h or 7d, today, month, a date or a time; days are in UTC (default 24h)",
    )
    usage.add_argument(
        "--by",
        metavar="WHAT",
        type=typed(check_by),
        default=argparse.SUPPRESS,
        help=f"{', '.join(BY)}; tag:NAME for the values of one tag (default model)",
    )
    usage.add_argument("--format", dest="written", choices=FORMATS, default=argparse.SUPPRESS, help="(default table)")


def _since(text: str) -> str:
    from nexus.accounting.report import since_of

    since_of(text, time.time())
    return text


def typed(read: Callable[[str], Value]) -> Callable[[str], Value]:
    """An argparse type whose errors are the messages of ``read``'s ValueErrors."""

    def value(text: str) -> Value:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value


class _Once(argparse.Action):
    """A flag that may be given once, before or after the command, because both parsers share the action."""

    _given = False

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        if self._given:
            raise argparse.ArgumentError(self, "was given twice")
        self._given = True
        setattr(namespace, self.dest, values)


class _Every(argparse.Action):
    """A flag that may be repeated, before and after the command."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._values: list[object] = []

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        self._values.append(values)
        setattr(namespace, self.dest, self._values)


# Defaults are suppressed throughout: otherwise a subcommand's default would override a flag given before its name.
def _config_flags(file: str = f"settings file ({FROM_ENV}; default {HERE}, else {OWN}, else a demo)") -> Parser:
    flags = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    flags.add_argument("-c", "--config", metavar="PATH", action=_Once, help=file)
    flags.add_argument(
        "--color",
        metavar="WHEN",
        choices=COLOURED,
        action=_Once,
        help=f"colours on stdout and stderr: {', '.join(COLOURED)} (default auto: on a terminal, without NO_COLOR)",
    )
    return flags


def _serving_flags() -> Parser:
    flags = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    flags.add_argument(
        "-l",
        "--listen-address",
        metavar="HOST:PORT",
        action=_Every,
        help="listen address, overrides the file: HOST:PORT or unix:PATH; repeatable "
        "(env NEXUS_LISTEN_ADDRESS, with commas; default 127.0.0.1:8000)",
    )
    flags.add_argument(
        "--log", metavar="LEVEL", action=_Once, help=f"{', '.join(LEVELS)} (env NEXUS_LOG; default info)"
    )
    flags.add_argument(
        "--log-style",
        metavar="STYLE",
        action=_Once,
        help=f"{', '.join(STYLES)} (env NEXUS_LOG_STYLE; default text; on a terminal human)",
    )
    return flags

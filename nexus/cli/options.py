"""Reads the command line options from flags and environment variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from nexus.cli.parser import AGENTS, Parser, flags_of, make_parser
from nexus.cli.words import hint
from nexus.dataclasses import dataclass, fields
from nexus.telemetry import lines

if TYPE_CHECKING:
    from nexus.settings.listen import AnyAddress

DEFAULT_FILE = Path("nexus.toml")

PASS_ARGUMENTS = {*AGENTS, "test"}
"""Commands that pass on the arguments after them."""

TAKE_A_VALUE = ("-c", "--config", "-l", "--listen-address", "--log", "--log-style", "--color")
"""Flags with a value that may precede a command."""


class CommandError(Exception):
    """A command cannot do its work; the message is for users."""


@dataclass(frozen=True, slots=True)
class Options:
    command: str = "serve"
    config: Path | None = None
    listen_address: tuple[AnyAddress, ...] | None = None
    log: str = "info"
    log_style: str = "text"
    name: str = ""
    request: Path | None = None
    protocol: str = "openai"
    key: str = ""
    client: str = ""
    shell: str = ""
    model: str = ""
    arguments: tuple[str, ...] = ()
    since: str = "24h"
    by: str = "model"
    written: str = "table"
    color: str = "auto"
    discover: bool = False
    every_model: bool = False
    offline: bool = False
    issuer: str = ""
    client_id: str = ""
    anew: bool = False


_NAMES = frozenset(field.name for field in fields(Options))


def read_options(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """The options of a command line; flags override the environment, and an empty variable counts as unset. Raises
    SystemExit on a usage error."""
    parser = make_parser()
    ours, arguments = _split(list(argv))
    given = _parse(parser, ours, arguments)
    settings = _Settings(parser, given, environ)
    config, source = settings.pick("config", "NEXUS_CONFIG_PATH")
    if not config and source == "--config":
        settings.refuse(source, "a path is missing")
    style = "human" if sys.stderr.isatty() else "text"
    read = {
        "command": " ".join(filter(None, (given["command"] or "serve", given.get("verb")))),
        "config": Path(config) if config else None,
        "listen_address": settings.addresses("listen_address", "NEXUS_LISTEN_ADDRESS"),
        "log": settings.choice("log", "NEXUS_LOG", tuple(lines.LEVELS), "info"),
        "log_style": settings.choice("log_style", "NEXUS_LOG_STYLE", lines.STYLES, style),
        "arguments": (*given.get("arguments", ()), *arguments),
    }
    return Options(**{name: value for name, value in given.items() if name in _NAMES} | read)


def _parse(parser: Parser, ours: list[str], arguments: list[str]) -> dict[str, Any]:
    """The values of the flags that were given. Raises SystemExit."""
    # argparse would take the value of an unknown flag for a command, so reject unknown flags first.
    for flag in (word.partition("=")[0] for word in ours):
        if flag.startswith("--") and flag not in flags_of(parser):
            _refuse(parser, flag, next((word for word in ours if word in AGENTS), ""))
    known, unknown = parser.parse_known_args(ours)
    given = vars(known)
    if unknown or (arguments and given["command"] not in PASS_ARGUMENTS):
        _refuse(parser, (unknown or ["--"])[0], given["command"])
    return given


def _refuse(parser: Parser, word: str, command: str) -> None:
    is_model = "/" in word and not word.startswith(("-", "/"))
    meant = f"did you mean -m {word}?" if is_model else f"arguments for {command} go after --"
    parser.error(f"unrecognized arguments: {word}" + (f"; {meant}" if command in AGENTS else ""))


@dataclass(frozen=True, slots=True)
class _Settings:
    """Values that have a flag and a variable."""

    parser: Parser
    given: Mapping[str, Any]
    environ: Mapping[str, str]

    def pick(self, flag: str, variable: str) -> tuple[str, str]:
        """The value, and the flag or variable that it is from."""
        if flag in self.given:
            value = self.given[flag]
            return ",".join(value) if isinstance(value, list) else value, f"--{flag.replace('_', '-')}"
        return self.environ.get(variable, ""), variable

    def choice(self, flag: str, variable: str, known: Sequence[str], default: str) -> str:
        value, source = self.pick(flag, variable)
        if value and value not in known:
            self.refuse(source, f"choose from {', '.join(known)}{hint(value, known)}")
        return value or default

    def addresses(self, flag: str, variable: str) -> tuple[AnyAddress, ...] | None:
        value, source = self.pick(flag, variable)
        if not value and source == variable:
            return None
        from nexus.settings.listen import read_addresses

        try:
            return read_addresses(value)
        except ValueError as error:
            self.refuse(source, str(error))

    def refuse(self, source: str, message: str) -> NoReturn:
        self.parser.error(f"{source}: {message}")


def _command_at(argv: list[str]) -> int | None:
    """The index of the first word that is neither a flag nor its value, or None."""
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        at += 2 if argv[at] in TAKE_A_VALUE else 1
    return at if at < len(argv) else None


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those to pass on: all after "--" or after ``test``."""
    if (at := _command_at(argv)) is not None and argv[at] == "test":
        return argv[: at + 1], argv[at + 1 :]
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]

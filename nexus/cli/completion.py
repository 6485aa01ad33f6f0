"""``nexus completion``: shell completion scripts, generated from the parser so that they know every word."""

from __future__ import annotations

import argparse

from nexus.cli.options import Options
from nexus.cli.output import put
from nexus.cli.parser import make_parser
from nexus.cli.smoke.parser import make_parser as make_test_parser

BASH = """\
_nexus() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    case "${{COMP_WORDS[1]}} $previous" in
        *" -c"|*" --config"|*" --explain")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
{choices}    esac
    case "${{COMP_WORDS[1]}}" in
{commands}        *) COMPREPLY=($(compgen -W "{top}" -- "$current")) ;;
    esac
}}
complete -o filenames -F _nexus nexus
"""

ZSH = """\
#compdef nexus
autoload -U +X bashcompinit && bashcompinit
"""

FILES = ("--config", "--explain")


def completion(options: Options) -> int:
    """Prints the completion script for bash, zsh or fish."""
    put({"bash": _bash, "zsh": lambda: ZSH + _bash(), "fish": _fish}[options.shell]())
    return 0


def _commands() -> dict[str, argparse.ArgumentParser]:
    actions = make_parser()._actions
    found: dict[str, argparse.ArgumentParser] = {}
    for action in actions:
        if isinstance(action.choices, dict):
            found.update(action.choices)
    return found | {"test": make_test_parser()}


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """The long flags and positional choices of a parser."""
    words: list[str] = []
    for action in parser._actions:
        words += [flag for flag in action.option_strings if flag.startswith("--")]
        if not action.option_strings and action.choices:
            words += list(map(str, action.choices))
    return words


def _bash() -> str:
    parser, commands = make_parser(), _commands()
    choices = "".join(
        f'        {name}" {flag}") COMPREPLY=($(compgen -W "{" ".join(action.choices)}" -- "$current")); return ;;\n'
        for name, one in (("*", parser), *commands.items())
        for action in one._actions
        for flag in action.option_strings
        if action.choices and (one is parser or flag not in _words(parser))
    )
    lines = "".join(
        f'        {name}) COMPREPLY=($(compgen -W "{" ".join(_words(command))}" -- "$current")) ;;\n'
        for name, command in commands.items()
    )
    return BASH.format(choices=choices, commands=lines, top=" ".join(_words(parser)))


def _fish() -> str:
    lines = ["complete -c nexus -f"]
    lines += [f"complete -c nexus -n __fish_use_subcommand -a {name}" for name in _commands()]
    for name, command in _commands().items():
        for action in command._actions:
            for flag in (flag for flag in action.option_strings if flag.startswith("--")):
                takes = " -r -F" if flag in FILES else f" -x -a '{' '.join(map(str, action.choices or ()))}'"
                takes = "" if action.nargs == 0 else takes
                lines.append(f"complete -c nexus -n '__fish_seen_subcommand_from {name}' -l {flag[2:]}{takes}")
            if not action.option_strings and action.choices:
                words = " ".join(map(str, action.choices))
                lines.append(f"complete -c nexus -n '__fish_seen_subcommand_from {name}' -a '{words}'")
    return "\n".join(lines) + "\n"

"""Parses the shell commands that the pages use: quotes, pipes, leading variables, ``$(...)``."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_ENDS = {"\n", "&&", "||", "|", ";", "&"}
_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True)
class Command:
    """One program and its arguments; ``variables`` are set in front of it."""

    words: list[str]
    variables: dict[str, str] = field(default_factory=dict)


def commands_of(text: str) -> Iterator[Command]:
    """Every command of a snippet, including those inside ``$(...)``."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", text.replace("\\\n", " "))
    for inner in re.findall(r"\$\((.*?)\)", text):
        yield from commands_of(inner)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    for token in [*lexer, "\n"]:
        if token.strip(" \n") and token not in _ENDS:
            words.append(token)
        elif words:
            yield _command(words)
            words = []


def _command(words: list[str]) -> Command:
    # A redirection is followed by a file.
    kept = [word for at, word in enumerate(words) if not {word, words[at - 1] if at else ""} & {">", "<", ">>", "2>"}]
    first = next((at for at, word in enumerate(kept) if not _ASSIGNED.match(word)), len(kept))
    variables = dict(word.split("=", 1) for word in kept[:first])
    return Command(kept[first:], variables)

"""Suggestions for unknown words of the command line: words of other programs, and misspellings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MEANT = {
    "--port": "--listen-address",
    "--host": "--listen-address",
    "--bind": "--listen-address",
    "--address": "--listen-address",
    "--verbose": "--log debug",
    "--debug": "--log debug",
    "--quiet": "--log warn",
    "--file": "--config",
    "--colour": "--color",
    "--no-color": "--color never",
    "--no-colour": "--color never",
    "-p": "--listen-address",
    "-v": "--version",
    "run": "serve",
    "start": "serve",
    "up": "serve",
    "server": "serve",
    "validate": "check",
    "lint": "check",
    "models": "check",
    "new": "init",
    "setup": "init",
    "configure": "init",
    "smoke": "test",
    "doctor": "test",
    "cost": "usage",
    "spend": "usage",
    "keys": "key new",
}
"""Words that users may know from other programs, to ours."""


def hint(given: str, known: Iterable[str]) -> str:
    """A suggestion as the end of a message, by meaning or else by spelling; "" if none is near."""
    words = list(known)
    if (meant := MEANT.get(given, "")) and meant.split()[0] in words:
        return f"; did you mean {meant}?"
    nearest = difflib.get_close_matches(given, words, 1)
    return f"; did you mean {nearest[0]}?" if nearest else ""

"""The options of ``nexus test``.

Imports nothing that needs settings or codecs, because shell completion reads it whenever a shell starts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from urllib.parse import urlsplit

from nexus.cli.parser import typed

CAPABILITIES = ("tools", "vision", "thinking", "json", "cache")
PROTOCOLS = ("chat", "responses", "messages", "vertex", "invoke", "converse", "gemini", "embeddings")
"""The formats of ``formats.FORMATS``, by name."""

EVERYTHING = "all"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nexus test",
        description="Tries every configured model through every client protocol, streaming and not.",
        epilog="Exit code: 0 all passed, 1 something failed, 2 wrong usage, 130 interrupted. NEXUS_LOG=debug shows "
        "the gateway's log on stderr. Every model is really called, which costs a few tokens.",
        allow_abbrev=False,
    )
    parser.add_argument("models", nargs="*", metavar="provider/model", help="only these (default: all)")
    parser.add_argument("-c", "--config", metavar="PATH", help="settings file, found as nexus finds it")
    parser.add_argument("--url", type=typed(_url), help="test this running server instead, http://HOST:PORT")
    parser.add_argument(
        "--client-key-env",
        metavar="NAME",
        help="call with the gateway key in this environment variable (default NEXUS_KEY, if it is set)",
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="send this header too, such as 'X-Client-Id: me' or 'X-Provider-API-Key: {{ env.MY_KEY }}'; repeatable",
    )
    parser.add_argument(
        "--capability",
        type=typed(_named(*CAPABILITIES, EVERYTHING)),
        default=[],
        metavar="NAMES",
        help=f"also check these: {', '.join(CAPABILITIES)} (comma-separated; a missing one fails the run), or "
        f"{EVERYTHING} to look without failing",
    )
    parser.add_argument(
        "--protocol",
        type=typed(_named(*PROTOCOLS)),
        default=[],
        metavar="NAMES",
        help=f"only these: {', '.join(PROTOCOLS)} (comma-separated; default: all that are served)",
    )
    parser.add_argument(
        "--timeout", type=typed(_timeout), default=60.0, metavar="60s", help="for each request (default 60s)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _named(*known: str) -> Callable[[str], list[str]]:
    """A reader of comma-separated names, without duplicates."""

    def read(value: str) -> list[str]:
        names = list(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return names

    return read


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write it like http://HOST:PORT")
    if parts.username is not None:
        raise ValueError("a user name or password does not belong here")
    return value


def _timeout(value: str) -> float:
    from nexus.settings.types import read_duration, read_timeout

    return read_timeout(read_duration(value))

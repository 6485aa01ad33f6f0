"""The credentials of the smoke test: a gateway key from the environment, and custom headers.

A key comes from the environment, never from the command line, and is never printed. Error messages do not repeat
invalid values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nexus.cli.smoke.formats import Format
from nexus.dataclasses import dataclass, field
from nexus.headers.names import OWN_CREDENTIALS, is_denied, is_secret, read_header_name
from nexus.server.clients import KEY_VARIABLE
from nexus.settings.templates import expand

HEADER = "write it like 'Name: value'; the value may hold {{ env.NAME }}"


class UsageError(Exception):
    """The command line is invalid."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The credentials; ``secrets`` must not appear in any output."""

    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def headers_for(self, format: Format) -> dict[str, str]:
        """The headers of every request; custom headers override the others."""
        return {**format.headers, **(format.carry(self.key) if self.key else {}), **self.headers}


def read_caller(variable: str | None, headers: Sequence[str], environ: Mapping[str, str]) -> Caller:
    """The credentials that the options name, or the user's gateway key. Raises UsageError."""
    default = KEY_VARIABLE if environ.get(KEY_VARIABLE) else None
    key = _key(named, environ) if (named := variable or default) is not None else ""
    read = [_header(header, environ) for header in headers]
    hidden = [secret for _, _, secrets in read for secret in secrets]
    return Caller(key, {name: value for name, value, _ in read}, (*([key] if key else []), *hidden))


def _key(variable: str, environ: Mapping[str, str]) -> str:
    key = environ.get(variable, "").strip()
    if not key:
        raise UsageError(f"environment variable {variable} is not set")
    if not _fits(key):
        raise UsageError(f"environment variable {variable} holds characters that are not allowed in an HTTP header")
    return key


def _header(text: str, environ: Mapping[str, str]) -> tuple[str, str, tuple[str, ...]]:
    """Name, value and secrets of a custom header. Raises UsageError."""
    name, colon, template = text.partition(":")
    expansion = expand(template.strip(), environ)
    for _, problem in expansion.problems:
        raise UsageError(f"--header: {problem}")
    value: str = expansion.data
    try:
        name = read_header_name(name.strip())
    except ValueError:
        colon = ""
    if not colon or not value or not _fits(value):
        raise UsageError(f"--header: {HEADER}")
    if is_denied(name) and name not in OWN_CREDENTIALS:
        raise UsageError(f"--header: {name} is written by the test itself")
    return name, value, tuple(_secrets(name, value, value != template.strip()))


def _secrets(name: str, value: str, expanded: bool) -> Iterator[str]:
    if expanded or is_secret(name):
        yield value
        # Also redact the credential without its scheme, such as Bearer.
        yield value.rpartition(" ")[2]


def _fits(value: str) -> bool:
    return value.isascii() and value.isprintable()

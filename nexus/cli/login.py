"""``nexus login``: a token of the identity provider on stdout, as Claude Code's ``apiKeyHelper`` and Codex want it.

Law: a token is written to stdout and into one file that its owner alone may read, and nowhere else. Two that run at
once use one refresh token once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from nexus import wire
from nexus.auth.device import SOON, IdentityProvider, Issued, LoginFailed, Prompt
from nexus.cli.configured import refused, source_of
from nexus.cli.options import Options
from nexus.cli.output import put
from nexus.dataclasses import dataclass
from nexus.settings import Settings, SettingsError
from nexus.settings.oauth import LoginSettings, read_issuer
from nexus.settings.registry import NoProviders
from nexus.settings.usage import state_folder
from nexus.wire import mapping, text


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as which client a person logs in."""

    issuer: str
    client: LoginSettings
    hosts: tuple[str, ...] = ()
    ca_file: str | None = None


class CannotLogIn(Exception):
    """What is missing, in words for people."""


def login(options: Options) -> int:
    """``nexus login``, which may do without settings; returns the exit code."""
    try:
        source = source_of(options, os.environ)
        # Whoever says it all needs no settings, least of all the gateway's with the keys that they name.
        settings = None if options.issuer and options.client_id else source.read()
        how = how_to_log_in(settings, options.issuer, options.client_id)
    except SettingsError as error:
        return refused(error.problems, options)
    except (CannotLogIn, NoProviders) as error:
        sys.stderr.write(f"nexus login: {error}\n")
        return 1
    return log_in(how, os.environ, anew=options.anew)


def how_to_log_in(settings: Settings | None, issuer: str, client_id: str) -> Login:
    """By the settings, over which what the command line says wins. Raises CannotLogIn."""
    oauth = settings.server.oauth if settings is not None else None
    known = oauth.login if oauth is not None else None
    try:
        issuer = read_issuer(issuer) if issuer else (oauth.issuer if oauth is not None else None) or ""
    except ValueError as error:
        raise CannotLogIn(f"--issuer {error}") from None
    if not issuer:
        raise CannotLogIn("no issuer: set server.oauth.issuer, or pass --issuer URL")
    if known is None and not client_id:
        raise CannotLogIn("no client id: set server.oauth.login.client_id, or pass --client-id ID")
    client = known.model_copy(update={"client_id": client_id or known.client_id}) if known else None
    client = client or LoginSettings(client_id=client_id)
    hosts = oauth.hosts if oauth is not None else ()
    return Login(issuer, client, hosts, str(oauth.ca_file) if oauth is not None and oauth.ca_file else None)


def log_in(how: Login, environ: Mapping[str, str], *, anew: bool = False) -> int:
    """Print a token that is good for a minute at least; returns the exit code. ``anew`` asks a person in any case."""
    folder = state_folder(environ)
    if folder is None:
        sys.stderr.write("nexus login: no folder to store the login in; set HOME or XDG_STATE_HOME\n")
        return 1
    provider = IdentityProvider(how.issuer, how.client, hosts=how.hosts, ca_file=how.ca_file)
    try:
        with contextlib.closing(provider), _kept(folder, how) as kept:
            issued = None if anew else _still_good(provider, kept.read())
            if issued is None:
                if not (anew or sys.stderr.isatty()):
                    raise LoginFailed("not logged in; run nexus login in a terminal")
                issued = provider.login(_show)
            kept.write(issued)
    except LoginFailed as error:
        sys.stderr.write(f"nexus login: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"nexus login: {folder} cannot be used: {(error.strerror or str(error)).lower()}\n")
        return 1
    put(f"{issued.token}\n")
    return 0


def _still_good(provider: IdentityProvider, kept: Issued | None) -> Issued | None:
    """The token that is kept, or another one for its refresh token; None where a person has to be asked."""
    if kept is None or kept.expires - time.time() > SOON:
        return kept
    if not kept.refresh:
        return None
    try:
        return provider.refreshed(kept.refresh)
    except LoginFailed as error:
        if error.code in ("invalid_grant", "expired_token", "access_denied"):
            return None
        raise


def _show(prompt: Prompt) -> None:
    printable = "".join(char for char in prompt.url if char.isprintable())
    code = "".join(char for char in prompt.code if char.isprintable())
    sys.stderr.write(f"open {printable}\nand confirm the code {code}  (within {prompt.expires / 60:.0f} min)\n")
    sys.stderr.flush()


class _Kept:
    """The one login of an issuer and a client, in a file that is locked."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def read(self) -> Issued | None:
        os.lseek(self._handle, 0, os.SEEK_SET)
        login = mapping(wire.decode_object(os.read(self._handle, 1 << 20)))
        token, expires = text(login.get("token")), login.get("expires")
        if not token or not isinstance(expires, int | float):
            return None
        return Issued(token, float(expires), text(login.get("refresh")))

    def write(self, issued: Issued) -> None:
        document = {"token": issued.token, "expires": issued.expires, "refresh": issued.refresh}
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.ftruncate(self._handle, 0)
        os.write(self._handle, json.dumps(document).encode())


@contextlib.contextmanager
def _kept(folder: Path, how: Login) -> Iterator[_Kept]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(f"{how.issuer}\n{how.client.client_id}\n{how.client.audience}".encode()).hexdigest()[:12]
    handle = os.open(folder / f"login-{name}.json", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(handle, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield _Kept(handle)
    finally:
        os.close(handle)

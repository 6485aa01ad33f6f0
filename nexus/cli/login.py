"""``nexus login``: prints a token of the identity provider, for Claude Code's ``apiKeyHelper`` and Codex.

Law: a token is written to stdout and to one file that only its owner can read, and nowhere else. Concurrent runs use a
refresh token only once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from nexus import wire
from nexus.auth.device import SOON, IdentityProvider, Issued, LoginFailed, Prompt
from nexus.cli.configured import refused, source_of
from nexus.cli.options import CommandError, Options
from nexus.cli.output import put
from nexus.dataclasses import dataclass
from nexus.settings import Settings, SettingsError
from nexus.settings.oauth import LoginSettings, read_issuer
from nexus.settings.registry import NoProviders
from nexus.settings.usage import state_folder
from nexus.wire import digest, text


@dataclass(frozen=True, slots=True)
class Login:
    """The issuer and the OAuth client for a login."""

    issuer: str
    client: LoginSettings
    hosts: tuple[str, ...] = ()
    ca_file: str | None = None


def login(options: Options) -> int:
    """``nexus login``; returns the exit code. With both ``--issuer`` and ``--client-id`` it needs no settings."""
    try:
        source = source_of(options, os.environ)
        # With both flags no settings are read: users may not have the gateway's, nor the keys that these refer to.
        settings = None if options.issuer and options.client_id else source.read()
        how = how_to_log_in(settings, options.issuer, options.client_id)
    except SettingsError as error:
        return refused(error.problems, options)
    except NoProviders as error:
        raise CommandError(str(error)) from None
    token = log_in(how, os.environ, anew=options.anew)
    put(f"{token}\n")
    return 0


def how_to_log_in(settings: Settings | None, issuer: str, client_id: str) -> Login:
    """The login as configured; ``issuer`` and ``client_id`` of the command line override it. Raises CommandError."""
    oauth = settings.server.oauth if settings is not None else None
    known = oauth.login if oauth is not None else None
    try:
        issuer = read_issuer(issuer) if issuer else (oauth.issuer if oauth is not None else None) or ""
    except ValueError as error:
        raise CommandError(f"--issuer {error}") from None
    if not issuer:
        raise CommandError("no issuer: set server.oauth.issuer, or pass --issuer URL")
    if known is None and not client_id:
        raise CommandError("no client id: set server.oauth.login.client_id, or pass --client-id ID")
    client = known.model_copy(update={"client_id": client_id or known.client_id}) if known else None
    client = client or LoginSettings(client_id=client_id)
    hosts = oauth.hosts if oauth is not None else ()
    return Login(issuer, client, hosts, str(oauth.ca_file) if oauth is not None and oauth.ca_file else None)


def log_in(how: Login, environ: Mapping[str, str], *, anew: bool = False) -> str:
    """A token that is valid for ``SOON`` seconds or more. ``anew`` forces a new login. Raises CommandError."""
    folder = state_folder(environ)
    if folder is None:
        raise CommandError("no folder to store the login in; set HOME or XDG_STATE_HOME")
    provider = IdentityProvider(how.issuer, how.client, hosts=how.hosts, ca_file=how.ca_file)
    try:
        with contextlib.closing(provider), _locked(folder, how) as file:
            issued = None if anew else _still_good(provider, _stored(file))
            if issued is None:
                if not (anew or sys.stderr.isatty()):
                    raise LoginFailed("not logged in; run nexus login in a terminal")
                issued = provider.login(_show)
            try:
                _store(file, issued)
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                sys.stderr.write(f"nexus login: this login is not stored, and ends with its token: {folder}: {why}\n")
    except LoginFailed as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{folder} cannot be used: {(error.strerror or str(error)).lower()}") from None
    return issued.token


def _still_good(provider: IdentityProvider, kept: Issued | None) -> Issued | None:
    """The stored token, or a new one for its refresh token; None if the user has to log in. Raises LoginFailed."""
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


def _stored(file: BinaryIO) -> Issued | None:
    login = wire.decode_object(file.read(1 << 20))
    token, expires = text(login.get("token")), login.get("expires")
    if not token or not isinstance(expires, int | float):
        return None
    return Issued(token, float(expires), text(login.get("refresh")))


def _store(file: BinaryIO, issued: Issued) -> None:
    """Writes over the old login before truncating it, which works on a full disk too. Raises OSError."""
    raw = json.dumps({"token": issued.token, "expires": issued.expires, "refresh": issued.refresh}).encode()
    file.seek(0)
    if file.write(raw) < len(raw):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate()


@contextlib.contextmanager
def _locked(folder: Path, how: Login) -> Iterator[BinaryIO]:
    """The file with the stored login of one issuer and client."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = digest(f"{how.issuer}\n{how.client.client_id}\n{how.client.audience}", 12)
    handle = os.open(folder / f"login-{name}.json", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(handle, "r+b", buffering=0) as file:
        os.fchmod(handle, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield file

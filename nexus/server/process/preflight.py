"""Checks what could prevent valid settings from being served on this machine: packages, files, certificates, ports.

Both ``nexus check`` and a start use only these checks, so that they accept the same settings. Checking changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from nexus.accounting.state import check_store
from nexus.server.sockets.listeners import listen
from nexus.server.sockets.listening import tls_context
from nexus.settings import Settings
from nexus.settings.leaves import named_files
from nexus.settings.problems import CannotServe
from nexus.settings.types import Location


def problems(settings: Settings, *, running: bool = False) -> list[Location]:
    """Returns all problems that must be fixed first. ``running``: a Nexus already runs, so ports need not be free."""
    return [*_files(settings), *(one for check in _checks(settings, running=running) for one in _problem(check))]


def _checks(settings: Settings, *, running: bool) -> Iterator[Callable[[], object]]:
    """Functions that raise CannotServe."""
    own = settings.server
    if own.oauth is not None:
        from nexus.auth.jwks import require_pyjwt

        yield require_pyjwt
    if own.tls is not None:
        yield partial(tls_context, own.tls)
    yield partial(check_store, settings)
    if not running:
        # Binds the addresses as serving would, and releases them at once.
        yield lambda: listen(own).close()


def _problem(check: Callable[[], object]) -> Iterator[Location]:
    try:
        check()
    except CannotServe as error:
        yield error.path, error.message


def _files(settings: Settings) -> Iterator[Location]:
    for path, file in named_files(settings):
        if not os.access(file, os.R_OK):
            yield path, "names a file that this user cannot read"

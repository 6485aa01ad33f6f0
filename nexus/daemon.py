"""Starts threads for work that no call owns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from nexus.errors import Overloaded


def start_daemon(name: str, run: Callable[..., object], *arguments: Any) -> None:
    """Starts a daemon: a thread that hangs must not keep the process from ending. Raises Overloaded if the system
    allows no more threads; so mark the work as running only afterwards."""
    try:
        threading.Thread(target=run, args=arguments, name=name, daemon=True).start()
    except RuntimeError:
        raise Overloaded(
            "the gateway cannot start another thread; raise the system's limit of processes", retry_after=1
        ) from None

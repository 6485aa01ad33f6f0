"""``python -m nexus``, and the command ``nexus``.

Imports nothing from the working directory. ``python -m`` searches it first, so an unrelated ``requests.py`` or
``tornado/`` there would replace the library.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

# Until Nexus serves, Ctrl-C just ends the process, without a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if __name__ == "__main__" and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]


WINDOWS = (
    "nexus: Windows itself is not supported; run Nexus in WSL (wsl --install), where Windows programs reach it at "
    "127.0.0.1 as well\n"
)


OLD = "nexus: Nexus requires Python 3.11 or newer; this is Python {}.{}\n"


def main() -> int:
    """Run one command; returns the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036
        # From a checkout, any Python can start it.
        sys.stderr.write(OLD.format(*sys.version_info))
        return 1
    if os.name == "nt":
        # Windows lacks Unix sockets, process groups and signals that other modules need.
        sys.stderr.write(WINDOWS)
        return 1
    _have_standard_streams()
    # For them, pydantic would read the metadata of every installed package at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Objects created during start-up stay, so there is nothing to collect. The command enables it again.
    gc.disable()
    from nexus.cli.main import main as run

    return run()


def _have_standard_streams() -> None:
    """Opens missing standard streams: a daemon may be started without any, and sockets would then get their numbers."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

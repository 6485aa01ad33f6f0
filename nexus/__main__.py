"""``python -m nexus``, and the command ``nexus``.

Nothing is imported from the folder in which it is started. ``python -m`` looks there first, and a stranger's
``requests.py`` or ``tornado/`` would be taken for the library.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

# Until something is served, Ctrl-C just ends the process: there is nothing to tell about it, least of all a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if __name__ == "__main__" and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]


WINDOWS = (
    "nexus: Windows itself is not supported; run Nexus in WSL (wsl --install), where programs of Windows reach it at "
    "127.0.0.1 as well\n"
)


def main() -> int:
    """Run one command; returns the exit code."""
    if os.name == "nt":
        # Unix sockets, process groups and signals that others of its modules cannot do without are not there.
        sys.stderr.write(WINDOWS)
        return 1
    _have_standard_streams()
    # What is made on the way to a command stays: there is nothing to collect. The command turns it on again.
    gc.disable()
    from nexus.cli.main import main as run

    return run()


def _have_standard_streams() -> None:
    """A daemon may be started without any: sockets would get their numbers, and nobody could be told anything."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

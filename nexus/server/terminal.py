"""Whether the terminal that a process was started in is still there: a hangup says so, and means a reload otherwise."""

from __future__ import annotations

import os


def has_terminal() -> bool:
    """Whether a terminal controls this process, which is no longer so once it was closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True

"""Gives memory back to the system once large bodies are done with.

Glibc only, and nothing elsewhere. Its allocator keeps what was freed in the arena of each thread; with hundreds of
threads that is most of what the process ever held.
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 4
_MAPPED_FROM = 256 * 1024
"""Bytes from which on an allocation is mapped by itself, and given back when it is freed."""


_YOUNG = 5_000
"""Objects that are made before the collector looks for rings among them; a call makes some hundreds, and few rings."""

TRIM_AFTER = 16 * 2**20
"""Bytes of bodies that were let go since the last time."""

TRIM_CLOSED = 250
"""Connections that ended since then: what they took lies free between what others still have."""


def tune() -> bool:
    """Few arenas, and large allocations by themselves; whether the allocator can be told."""
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    libc = _glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_M_ARENA_MAX, _ARENAS) and libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM))


def settle() -> None:
    """What there is now stays: the collector, which is off during a start, begins with what comes."""
    gc.freeze()
    gc.enable()


def trim() -> None:
    """Gives back what lies free; takes milliseconds, on a worker."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return None
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None

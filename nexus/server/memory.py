"""Returns freed memory to the system, mainly after large bodies.

Works only with glibc, whose allocator keeps freed memory in per-thread arenas. With hundreds of threads this would be
most of the memory that the process ever used.
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 4
_MAPPED_FROM = 256 * 1024
"""Allocations of at least this many bytes are mapped separately, and returned to the system when freed."""


_YOUNG = 5_000
"""Garbage collection threshold of the youngest generation; a call creates hundreds of objects, but few cycles."""

TRIM_AFTER = 16 * 2**20
"""Trim after this many bytes of bodies were released since the last trim."""

TRIM_CLOSED = 250
"""Trim after this many connections closed since the last trim: their memory lies scattered among that of open ones."""


def tune() -> None:
    """Tunes the garbage collector, and glibc's allocator: few arenas, large allocations mapped separately."""
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    libc = _glibc()
    if libc is not None and libc.mallopt(_M_ARENA_MAX, _ARENAS):
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)


def settle() -> None:
    """Excludes all existing objects from garbage collection, and enables it; it is off during startup. Returns the
    memory that the start no longer needs."""
    gc.freeze()
    gc.enable()
    trim()


def collect() -> None:
    """Frees a replaced configuration, before the next one needs as much memory again. Takes some 10 ms."""
    gc.collect()
    trim()


def trim() -> None:
    """Returns free memory to the system. Takes milliseconds; call it on a worker."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return None
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None

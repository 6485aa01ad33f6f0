"""The error that stands in for an exception that nothing foresaw."""

from __future__ import annotations

import errno

from nexus.errors import InternalError, NexusError, Overloaded

_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


def stand_in(error: BaseException | None) -> NexusError:
    """Overloaded if no file descriptor was left, which anything can meet that opens a file, even a late import."""
    return no_descriptors() if lacks_descriptors(error) else InternalError()


def lacks_descriptors(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_DESCRIPTORS


def no_descriptors() -> Overloaded:
    text = "the gateway has no file descriptor left; raise the limit of open files"
    return Overloaded(text, retry_after=1)

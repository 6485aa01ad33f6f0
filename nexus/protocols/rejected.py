"""Removes from a request what its server rejects by name and the answer does not depend on (``Target.rejected``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nexus.protocols.checks import Drops
from nexus.protocols.rewrite import ANY, Edited, removing
from nexus.wire import Json, sequence


def without(edited: Edited, paths: Iterable[str]) -> Edited:
    """A request that passes through, without the members at ``paths``."""
    for path in paths:
        edited = edited.without(removing([path.split(".")]), _reported(path))
    return edited


def leave_out(body: Json, paths: Iterable[str], drops: Drops) -> None:
    """Removes members of a request that was written for the server."""
    drops.add(*(_reported(path) for path in paths if _pop(body, path.split("."))))


def _pop(value: Json, path: Sequence[str]) -> bool:
    """Whether a member at ``path`` was there."""
    key, *inner = path
    if key == ANY:
        popped = [_pop(one, inner) for one in sequence(value)]
        return any(popped)
    if not isinstance(value, dict) or key not in value:
        return False
    if inner:
        return _pop(value[key], inner)
    del value[key]
    return True


def _reported(path: str) -> str:
    return path.replace(".*", "")

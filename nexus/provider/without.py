"""How to retry a call without what a vendor rejected."""

from __future__ import annotations

from collections.abc import Callable

from nexus.dataclasses import dataclass
from nexus.protocols.codec import Target


@dataclass(frozen=True, slots=True)
class Without:
    """``change`` removes from a target what its vendor rejects, which is called ``name``; ``learn`` is called once a
    call without it succeeded.
    """

    name: str
    change: Callable[[Target], Target]
    learn: Callable[[], None]

"""What a provider makes of a refusal that the next request can avoid."""

from __future__ import annotations

from collections.abc import Callable

from nexus.dataclasses import dataclass
from nexus.protocols.codec import Target


@dataclass(frozen=True, slots=True)
class Without:
    """``change`` makes a target do without what its vendor turned out to refuse, which has a ``name``; ``learn`` is
    called once an answer without it came."""

    name: str
    change: Callable[[Target], Target]
    learn: Callable[[], None]

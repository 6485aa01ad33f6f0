"""What a dialect has of embeddings, as one value.

Law: pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nexus.dataclasses import dataclass
from nexus.protocols.embeddings.asked import Asked
from nexus.protocols.embeddings.shapes import Format
from nexus.wire import Json

Document = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class EmbeddingsCodec:
    """``format`` is its vendors' own, in which a request passes."""

    format: Format
    read: Callable[[Document], Asked]
    """A client's request. Raises ClientError."""

    write: Callable[[Sequence[Sequence[float]], int, Asked, Document], dict[str, Json]]
    """The answer: vectors and tokens, to what was read of a request."""

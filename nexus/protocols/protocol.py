"""What a kind of client calls: several dialects may share a protocol, and all of it lies below one path."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Protocol:
    """A table of ``[llm.protocols]``, which says at which path it is served.

    Clients are given a base URL that ends in that path and ``base``, and append the rest. ``version`` stands between
    the path and that of every operation, as each of ``other_versions`` may; ``models`` behind it is where models are
    listed. ``header`` is the request header by which its clients are known where protocols share a path.
    """

    name: str
    clients: str
    base: str = ""
    version: str = "/v1"
    other_versions: tuple[str, ...] = ()
    models: str | None = "/models"
    header: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        return (self.version, *self.other_versions)

    def likeness(self, headers: Mapping[str, str]) -> int:
        """How well request headers, by lower-case names, fit its clients: the highest of several protocols is meant."""
        return 0 if self.header is None else 1 if self.header in headers else -1

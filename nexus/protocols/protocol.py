"""What a kind of client calls: several dialects may share a protocol, and all its operations are below one path."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Protocol:
    """A table of ``[llm.protocols]``, which sets the path where it is served.

    Clients get a base URL that ends with that path and ``base``, and append the rest. ``version``, or one of
    ``other_versions``, is between that path and the path of every operation; ``models`` after it lists the models.
    ``header`` is the request header that identifies its clients if protocols share a path.
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
        """How well request headers, by lower-case names, match its clients: of several protocols the highest wins."""
        return 0 if self.header is None else 1 if self.header in headers else -1

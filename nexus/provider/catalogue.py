"""Lists of models: a vendor's own of what it offers, read page by page, and public price lists.

A provider's ``catalogue`` does no I/O: it yields requests, is sent the document that answers each, and returns what it
read. ``cli.discover`` runs it, with limits on time, pages and bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from urllib.parse import quote

from nexus.dataclasses import dataclass, replace
from nexus.late import pattern
from nexus.upstream.request import UpstreamRequest
from nexus.wire import Json, mapping, sequence, text

_DATE = pattern(r"[-@](?:20\d{6}|latest|default)$|:latest$")


class CannotList(Exception):
    """There is no list; the message says why."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One model of a vendor. ``answers``: False if known to generate no text; ``also``: other names for it."""

    id: str
    answers: bool = True
    also: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Whether a configured name means this model: by an id, or without its date or tag."""
        return name in (self.id, *self.also) or undated(name) == undated(self.id)


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a public price list has a model: the base URL of the vendor's API, and the model's id there.

    The model's price is ``percent`` of the listed one.
    """

    base_url: str
    model: str
    percent: int = 100


Document = Mapping[str, Json]
Catalogue = Generator[UpstreamRequest, Document, list[Offered]]


def pages(
    first: UpstreamRequest, size: str, following: Callable[[Document], str]
) -> Generator[UpstreamRequest, Document, list[Document]]:
    """Every page of a list. ``size`` is in the query of each; ``following`` returns what the query of the page after a
    given one adds, "" after the last one."""
    url = f"{first.url}{'&' if '?' in first.url else '?'}{size}"
    found, more = list[Document](), ""
    while True:
        found.append((yield replace(first, url=url + more)))
        if not (more := following(found[-1])):
            return found


def parameter(name: str, value: Json) -> str:
    """A parameter of a query after others; "" without a value."""
    return f"&{name}={quote(value, safe='')}" if text(value) else ""


def undated(name: str) -> str:
    """A model's name without its date or tag."""
    return _DATE.sub("", name)


def entries(document: Mapping[str, Json], name: str) -> list[Mapping[str, Json]]:
    """The objects of a list in a vendor's answer. Raises CannotList if it is missing."""
    found = document.get(name)
    if not isinstance(found, list):
        raise CannotList(f"the answer has no list {name!r}")
    return [mapping(entry) for entry in found]


def texts(entry: Mapping[str, Json], name: str) -> list[str]:
    return [text(item) for item in sequence(entry.get(name))]

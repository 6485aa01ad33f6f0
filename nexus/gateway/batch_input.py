"""The requests of a batch, which may name only models and files that their owner could name himself.

Replaces the client's model names by the vendor's; every other byte stays. OpenAI's requests come in a file, one JSON
object per line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nexus.accounting.file_owners import FileOwners
from nexus.call import Call
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import InvalidRequest
from nexus.gateway.file_access import not_uploaded, only, wanted
from nexus.gateway.routing import Routes
from nexus.protocols.checks import check_stored_names
from nexus.protocols.files import BatchRequest, request_at
from nexus.protocols.loader import DIALECTS, FORMS
from nexus.protocols.raw_json import Span
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.files import LONGEST_LINE
from nexus.upstream.upload import Spool
from nexus.wire import decode, encode

MOST_REQUESTS = 100_000
"""Maximum number of requests in a batch. Anthropic accepts this many, OpenAI half of it."""

MOST_LINES = 2 * MOST_REQUESTS
"""Maximum number of lines, blank ones included: reading each takes time."""


def lines_of(spool: Spool, file: Span, path: Sequence[str]) -> Iterator[BatchRequest]:
    """The requests in the file of an upload, with positions counted from the beginning of the upload. Raises
    InvalidRequest."""
    start, end = file
    with spool.window() as window:
        number = 0
        while start < end:
            found = window.find(b"\n", start, end)
            stop = end if found < 0 else found
            number += 1
            if number > MOST_LINES:
                raise InvalidRequest.about("file", f"the file has more than {MOST_LINES} lines")
            if stop - start > LONGEST_LINE:
                raise InvalidRequest.about("file", f"line {number} is longer than {LONGEST_LINE} bytes")
            line = bytes(window[start:stop])
            if line.strip():
                one = _read(line, number, path)
                yield replace(one, spans=[(start + first, start + last) for first, last in one.spans])
            start = stop + 1


def _read(line: bytes, number: int, path: Sequence[str]) -> BatchRequest:
    where = f"line {number}"
    try:
        document = decode(line)
    except ValueError as error:
        raise InvalidRequest.about("file", f"{where} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequest.about("file", f"{where} is not a JSON object")
    check_stored_names(line)
    return request_at(line, line.index(b"{"), path, where, document)


@dataclass(frozen=True, slots=True)
class VendorBatch:
    """A batch rewritten for its vendor: ``edits`` replace the client's names of ``models`` by the vendor's. ``keepers``
    are the accounts that have the files it names, None for any account."""

    provider: Provider
    keepers: frozenset[str] | None
    models: Mapping[str, tuple[str, str]]
    edits: Sequence[tuple[Span, bytes]] = field(repr=False)


class BatchWriter:
    """Reads the requests of one batch and rewrites their model names to the vendor's."""

    def __init__(self, call: Call, providers: Mapping[str, Provider], seen: Routes, owners: FileOwners) -> None:
        self._call = call
        self._providers = providers
        self._seen = seen
        self._owners = owners
        self._routes: dict[str, Route] = {}
        self._files: dict[str, str] = {}

    def write(self, requests: Iterable[BatchRequest]) -> VendorBatch:
        """Rewrites the requests of the batch. Raises ClientError."""
        provider = wanted(self._call, self._providers)
        models: dict[str, tuple[str, str]] = {}
        edits: list[tuple[Span, bytes]] = []
        for count, one in enumerate(requests):
            if count == MOST_REQUESTS:
                raise InvalidRequest(f"a batch has at most {MOST_REQUESTS} requests")
            provider = provider or self._first(one.model)
            route = self._route(one, provider)
            models.setdefault(route.model, (one.model, route.alias))
            edits += [(span, encode(route.model)) for span in one.spans]
            self._note_files(one)
        if provider is None:
            raise InvalidRequest("the batch has no requests")
        return VendorBatch(provider, self._keepers(provider), models, edits)

    def _first(self, model: str) -> Provider:
        """The only provider that can take the first request. Raises InvalidRequest if there are several."""
        routes = self._seen.find(model, any_id=FORMS[self._call.form].any_id).routes
        found = {route.provider.name: route.provider for route in routes if route.provider.name in self._providers}
        return only(found or self._providers)

    def _route(self, one: BatchRequest, provider: Provider) -> Route:
        if one.model not in self._routes:
            model = self._seen.find(one.model, any_id=FORMS[self._call.form].any_id)
            found = next((route for route in model.routes if route.provider.name == provider.name), None)
            if found is None:
                raise InvalidRequest.about(
                    one.where,
                    f"model {one.model[:200]!r} is not one of provider {provider.name!r}, which runs this batch",
                )
            self._routes[one.model] = found
        return self._routes[one.model]

    def _note_files(self, one: BatchRequest) -> None:
        """Notes the files that a request names. Raises InvalidRequest if it names a stored answer."""
        dialect = DIALECTS["responses" if "input" in one.body else self._call.dialect]
        if stored := dialect.vendor_ids("/responses", one.body):
            text = "a request in a batch cannot refer to a stored answer"
            raise InvalidRequest.about(one.where, f"{stored[0][0]}: {text}")
        for where, id in dialect.uploaded_ids(one.body):
            self._files.setdefault(id, f"{one.where}: {where}")

    def _keepers(self, provider: Provider) -> frozenset[str] | None:
        """The accounts that have every file that the batch names. Raises InvalidRequest for files of other callers."""
        if not self._files:
            return None
        mine = {
            one.id: one.keeper
            for one in self._owners.find(list(self._files))
            if one.provider == provider.name and one.owner == self._call.identity.owner
        }
        for id, where in self._files.items():
            if id not in mine:
                raise not_uploaded(where, id)
        keepers = frozenset(mine.values())
        if len(keepers) > 1:
            raise InvalidRequest("the files of this batch are in several accounts of the vendor")
        return keepers

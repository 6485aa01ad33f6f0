"""Files and batches: who owns them, which provider has them, and what requests of a batch may name.

An id works only for its owner, at the account that created it; for everyone else it does not exist. A batch may name
only models and files that its owner could name himself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.accounting.file_owners import FileOwners, Owned
from nexus.auth.identity import sees_everybody
from nexus.call import Call
from nexus.conversation.usage import Usage
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest, NotFound, PermissionDenied, UnsupportedMediaType
from nexus.gateway.admission import Admission
from nexus.gateway.batch_input import BatchWriter, lines_of
from nexus.gateway.candidates import Router
from nexus.gateway.file_access import only, providers_with, unknown, wanted
from nexus.gateway.routing import Model, Routes
from nexus.protocols.checks import check_stored_names, query_pairs
from nexus.protocols.edit import splice
from nexus.protocols.files import FilesRequest, Page
from nexus.protocols.loader import DIALECTS
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.call_state import CallState
from nexus.relay.candidate import Plan
from nexus.relay.file_call import FileCall
from nexus.settings.model import ModelSettings

BATCH = "batch"
"""The purpose of a file of batch requests."""

Providers = Mapping[str, Provider]

ProviderAccounts = tuple[Provider, frozenset[str] | None]
"""A provider, and its accounts that have what a request refers to; None for any account."""

_FOR_ALL = frozenset({"list", "get"})
"""The verbs that readers of everyone's usage may use on everyone's objects."""


class FileCalls:
    """``readers`` are the groups that see everyone's files and batches."""

    def __init__(
        self, routes: Routes, router: Router, admission: Admission, owners: FileOwners, readers: Sequence[str] = ()
    ) -> None:
        self._routes = routes
        self._router = router
        self._admission = admission
        self._owners = owners
        self._readers = readers

    def plan(self, state: CallState) -> Plan:
        """Plans where the call goes and fills ``state.file_call``. Raises ClientError."""
        call = state.call
        codec = DIALECTS[call.dialect].files
        assert codec is not None, "the dialect has operations on files"
        request, owner = codec.read(call.method, call.path), call.identity.owner
        if owner is None:
            raise PermissionDenied("the caller cannot be identified, so neither can their files and batches")
        file_call = state.file_call = FileCall(request, codec, self._owners, owner, call.base)
        seen = self._routes.seen_by(call.identity)
        providers = providers_with(seen, call.dialect, request.kind)
        if not providers:
            raise NotFound(f'no available provider has {request.kind} (endpoints = ["{request.kind}"])')
        keepers: frozenset[str] | None = None
        if request.verb == "create":
            provider, keepers = self._create(call, file_call, providers, seen)
        elif request.verb == "list":
            provider = wanted(call, providers) or only(providers)
            self._list(call, file_call, provider)
        else:
            file_call.object = self._find(call, request, providers)
            provider, keepers = providers[file_call.object.provider], frozenset({file_call.object.keeper})
        self._price(call, file_call, provider)
        return self._plan(state, file_call, provider, keepers)

    def _plan(self, state: CallState, file_call: FileCall, provider: Provider, keepers: frozenset[str] | None) -> Plan:
        route = Route(provider, "*", ModelSettings())
        plan = self._router.plan(state.call, Model(route.name, (route,)))
        file_call.candidates = tuple(plan.waiting)
        if keepers is not None:
            plan.waiting = [one for one in plan.waiting if one.keeper in keepers]
            if not plan.waiting:
                raise NotFound("it was created with a vendor key that this request cannot use")
        return plan

    def _price(self, call: Call, file_call: FileCall, provider: Provider) -> None:
        results = file_call.results
        if results is None:
            return
        names = {alias: f"{provider.name}/{alias}" for _, alias in results.models.values()}
        self._admission.check_tags(call, names.values())
        prices = {alias: self._admission.in_batch(name) for alias, name in names.items()}

        def cost(alias: str, usage: Usage) -> int | None:
            price = prices.get(alias)
            return None if price is None else price.cost(usage)

        file_call.cost = cost

    def _find(self, call: Call, request: FilesRequest, providers: Providers) -> Owned:
        """Raises NotFound, which does not reveal whether another caller has the id."""
        among = wanted(call, providers)
        everybody = request.verb in _FOR_ALL and sees_everybody(call.identity, self._readers)
        for one in self._owners.find([request.id]):
            is_here = one.provider in providers and (among is None or one.provider == among.name)
            if is_here and one.kind == request.kind and (everybody or one.owner == call.identity.owner):
                return one
        raise unknown(request.id)

    def _list(self, call: Call, file_call: FileCall, provider: Provider) -> None:
        query: dict[str, list[str]] = {}
        for name, value in query_pairs(call.query):
            if value:
                query.setdefault(name, []).append(value)
        page = file_call.codec.page(file_call.request.kind, query)
        owner = None if sees_everybody(call.identity, self._readers) else call.identity.owner
        file_call.rows, file_call.more = self._rows(file_call.request, page, provider.name, owner)

    def _rows(self, request: FilesRequest, page: Page, provider: str, owner: str | None) -> tuple[list[Owned], bool]:
        if page.ids is not None:
            found = {one.id: one for one in self._owners.find(page.ids) if _is_seen(one, request, provider, owner)}
            return [found[id] for id in dict.fromkeys(page.ids) if id in found], False
        behind = page.after or page.before
        start = next((one for one in self._owners.find([behind]) if _is_seen(one, request, provider, owner)), None)
        if behind and start is None:
            raise unknown(behind)
        ascending = page.ascending is not bool(page.before and not page.after)
        rows = self._owners.page(
            provider, request.kind, owner, behind=start, most=page.most + 1, ascending=ascending, purpose=page.purpose
        )
        shown = rows[: page.most]
        return shown if ascending is page.ascending else shown[::-1], len(rows) > page.most

    def _create(self, call: Call, file_call: FileCall, providers: Providers, seen: Routes) -> ProviderAccounts:
        writer = BatchWriter(call, providers, seen, self._owners)
        if file_call.request.kind == "files":
            provider, keepers = self._create_file(call, file_call, providers, writer)
        else:
            check_stored_names(call.body)
            provider, keepers = self._create_batch(call, file_call, providers, writer)
        self._admission.check_uncounted(call, provider)
        return provider, keepers

    def _create_file(
        self, call: Call, file_call: FileCall, providers: Providers, writer: BatchWriter
    ) -> ProviderAccounts:
        if call.upload is None:
            raise UnsupportedMediaType("expected Content-Type: multipart/form-data")
        file_call.upload, file_call.purpose = call.upload, str(call.document.get("purpose") or "")
        if file_call.purpose != BATCH or not file_call.codec.request_path:
            return wanted(call, providers) or only(providers), None
        if (lines := call.upload.file) is None:
            raise InvalidRequest.about("file", "expected one file")
        batch = writer.write(lines_of(call.upload.spool, lines, file_call.codec.request_path))
        file_call.models, file_call.upload = batch.models, replace(call.upload, edits=batch.edits)
        return batch.provider, batch.keepers

    def _create_batch(
        self, call: Call, file_call: FileCall, providers: Providers, writer: BatchWriter
    ) -> ProviderAccounts:
        if file := file_call.codec.input_file(call.document):
            return self._from_file(call, file_call, file, providers)
        batch = writer.write(file_call.codec.requests(call.body, call.document))
        file_call.models, file_call.body = batch.models, splice(call.body, list(batch.edits))
        return batch.provider, batch.keepers

    def _from_file(self, call: Call, file_call: FileCall, id: str, providers: Providers) -> ProviderAccounts:
        storing = {**providers_with(self._routes.seen_by(call.identity), call.dialect, "files"), **providers}
        file = self._find(call, FilesRequest("files", "content", "", id), storing)
        if file.purpose != BATCH or file.parent or file.provider not in providers:
            raise InvalidRequest.about(
                "input_file_id", f'{id} is not a file of requests that was uploaded here with purpose "batch"'
            )
        file_call.models, file_call.body = file.models, call.body
        return providers[file.provider], frozenset({file.keeper})


def _is_seen(one: Owned, request: FilesRequest, provider: str, owner: str | None) -> bool:
    return (one.provider, one.kind) == (provider, request.kind) and owner in (None, one.owner)

"""The providers that store files or batches, which of them a call goes to, and whose files it may name.

At a provider that stores files, a request may name only its own caller's. Runs on a worker, because ownership is looked
up in a database. If files can reach the vendor without this gateway, ownership is not checked: only the vendor decides
what exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from nexus.accounting.file_owners import FileOwners
from nexus.call import Call
from nexus.errors import InvalidRequest, NexusError, NotFound
from nexus.gateway.routing import Routes
from nexus.headers.own import STORED_PROVIDER
from nexus.protocols.checks import check_stored_names
from nexus.protocols.loader import DIALECTS
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.candidate import Plan
from nexus.relay.lanes import passes

P = TypeVar("P")


def providers_with(seen: Routes, dialect: str, kind: str) -> dict[str, Provider]:
    """The providers whose files or batches a caller may use, in configuration order."""
    return {route.provider.name: route.provider for route in seen if route.provider.stores_kind(kind, dialect)}


def wanted(call: Call, providers: Mapping[str, Provider]) -> Provider | None:
    """The provider that the client names, or None. Raises NotFound if it is not one of ``providers``."""
    name = call.headers.get(STORED_PROVIDER, "").strip()
    return named(name, providers, "has this") if name else None


def named(name: str, providers: Mapping[str, P], does: str) -> P:
    """The provider with this name. Raises NotFound if there is none; ``does`` completes its message."""
    if name not in providers:
        raise NotFound(f"the header {STORED_PROVIDER} must name a provider that {does}: {', '.join(providers)}")
    return providers[name]


def only(providers: Mapping[str, P]) -> P:
    """The sole provider. Raises InvalidRequest if there are several."""
    if len(providers) > 1:
        raise InvalidRequest(
            f"the header {STORED_PROVIDER} is missing; set it to one of: {', '.join(providers)}", param=STORED_PROVIDER
        )
    return next(iter(providers.values()))


def unknown(id: str) -> NotFound:
    """The error for an unknown id, which does not reveal whether it is another caller's."""
    return NotFound(f"{id[:100]} does not exist or is not yours")


_FIELDS = ("file_id", "file_ids")
_MARK = b"file_id"
_ESCAPE = b"\\u00"


def stores_files(route: Route) -> bool:
    return "files" in route.provider.settings.files_and_batches


def has_owner(uploaded: tuple[str, str]) -> bool:
    """Whether owners are recorded for the object that this field of a request names."""
    return uploaded[0].rpartition(".")[2] in _FIELDS


def not_uploaded(field: str, id: str) -> InvalidRequest:
    return InvalidRequest.about(field, f"{id[:100]} is not a file that you uploaded here")


def strangers_files(call: Call, plan: Plan, owners: FileOwners) -> Mapping[str, NexusError]:
    """The candidates to skip, because the caller did not upload a named file there. Raises Overloaded if the
    lookup fails, InvalidRequest if it is unclear what the request names."""
    storing = [one for one in plan.left if stores_files(one.route) and passes(call, one.route)]
    if not storing:
        return {}
    check_stored_names(call.body)
    if not (_MARK in call.body or _ESCAPE in call.body):
        return {}
    named = {id: where for where, id in filter(has_owner, DIALECTS[call.dialect].uploaded_ids(call.document))}
    owner = call.identity.owner
    mine = {(one.provider, one.keeper, one.id) for one in owners.find(list(named)) if one.owner == owner}
    refused: dict[str, NexusError] = {}
    for one in storing:
        for id, where in named.items():
            if (one.route.provider.name, one.keeper, id) not in mine:
                refused[one.name] = not_uploaded(where, id)
                break
    return refused

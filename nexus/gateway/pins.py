"""Pins calls to the account that made what they refer to: stored answers, conversations, encrypted reasoning.

Runs on a worker, because the store of ids may block. A target whose account did not make it is not asked; if no other
is left, the error names the field. With a single account only callers have to be told apart. Answers that the gateway
itself stores can go to every target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nexus.call import Call, VendorIds
from nexus.errors import InvalidRequest, NexusError, NotFound
from nexus.gateway.affinity import session_of
from nexus.gateway.candidates import candidates_of
from nexus.gateway.holders import has_owner, holds_files
from nexus.gateway.routing import Model
from nexus.protocols.loader import DIALECTS
from nexus.provider.route import Route
from nexus.relay.candidate import Candidate, Plan
from nexus.relay.exchange import CallState
from nexus.relay.lanes import passes

Excluded = Mapping[str, NexusError]
"""By the name of a place, why it must not be asked."""


def pin(state: CallState, plan: Plan, ids: VendorIds | None) -> Excluded:
    """The places that the call must not go to. Raises NotFound if the call names what belongs to another caller."""
    candidates = plan.left
    passing = [one for one in candidates if passes(state.call, one.route)]
    if not passing:
        return {}
    several = len({one.keeper for one in candidates}) > 1
    without_files = _without_files(state.call, candidates, passing) if several else {}
    if ids is None:
        return without_files
    own = _own_answers(state)
    state.resolves = bool(own) and all(own.values())
    if not several:
        if not state.resolves:
            _check(state, passing[0], ids)
        return {}
    state.vendor_ids = ids
    ids.pins = True
    return {**_elsewhere(state, candidates, passing, ids, any(own.values())), **without_files}


def maker(call: Call, storing: Iterable[Route], ids: VendorIds | None) -> str:
    """The name of the provider that gave the caller what the path names; "" if none is known, or several are. Raises
    Overloaded if the store of ids is unavailable."""
    named = [id for _, id in DIALECTS[call.dialect].vendor_ids(call.path, {})]
    if ids is None or not named:
        return ""
    keepers = {
        one.keeper: route.provider.name
        for route in storing
        for one in candidates_of(call, Model(route.name, (route,)), route, "")
    }
    found = {keepers[keeper] for keeper in ids.makers(list(keepers), named)}
    return found.pop() if len(found) == 1 else ""


def _own_answers(state: CallState) -> Mapping[str, bool]:
    """By the answers that a request refers to, whether the gateway itself stores them; empty if it stores none."""
    call, dialect = state.call, DIALECTS[state.call.dialect]
    if state.answers is None:
        return {}
    named = {dialect.answer_of(id) for field, id in dialect.vendor_ids(call.path, call.document) if field}
    found = state.answers.find(named) if named else {}
    return {id: id in found for id in named}


def _check(state: CallState, candidate: Candidate, ids: VendorIds) -> None:
    """Checks ownership; not for callers with their own keys, whom the vendor tells apart."""
    if not candidate.own and ids.guards:
        state.vendor_ids = ids
        call = state.call
        ids.check(candidate.keeper, DIALECTS[call.dialect].vendor_ids(call.path, call.document))


def _without_files(call: Call, candidates: Sequence[Candidate], passing: Sequence[Candidate]) -> Excluded:
    """The places that cannot have the files that a request names. ``strangers_files`` judges those that hold files."""
    uploaded = DIALECTS[call.dialect].uploaded_ids(call.document)
    if not uploaded:
        return {}
    judged = [one for one in passing if holds_files(one.route)] if all(map(has_owner, uploaded)) else []
    text = "a file exists only in the account that it was uploaded to; this model has several: use provider/model"
    return _all([one for one in candidates if one not in judged], InvalidRequest.about(uploaded[0][0], text))


def _elsewhere(
    state: CallState, candidates: Sequence[Candidate], passing: Sequence[Candidate], ids: VendorIds, own: bool
) -> Excluded:
    """``pin`` for candidates in several accounts. ``own``: the request refers to answers that the gateway stores."""
    call, dialect = state.call, DIALECTS[state.call.dialect]
    keepers = list(dict.fromkeys(one.keeper for one in passing))
    if not state.resolves and (named := dialect.vendor_ids(call.path, call.document)):
        unknown, named_ids = _unknown(*named[0]), [id for _, id in named]
        if own:
            return _all(passing, unknown)
        # A translation cannot bring what one vendor stores to another.
        makers = ids.makers(keepers, named_ids)
        return _all([one for one in candidates if one not in passing or one.keeper not in makers], unknown)
    if not (sealed := dialect.sealed_ids(call.document)):
        return {}
    # Encrypted reasoning can be opened only by the account that made it; a translation drops it and reports that.
    makers = ids.makers(keepers, [id for _, id in sealed])
    if not makers and session_of(call) is not None:
        # The maker is unknown, but sessions stay at one account: assume the one that the session prefers.
        makers = frozenset({candidates[0].keeper})
    text = "only the account that created this reasoning can decrypt it, and this request does not go there"
    return _all([one for one in passing if one.keeper not in makers], InvalidRequest.about(sealed[0][0], text))


def _unknown(field: str, id: str) -> NexusError:
    if not field:
        return NotFound(f"{id[:100]} does not exist or is not yours")
    return InvalidRequest.about(field, f"no account of this model is known to have created {id[:100]} for you")


def _all(candidates: Sequence[Candidate], error: NexusError) -> Excluded:
    return {one.name: error for one in candidates}

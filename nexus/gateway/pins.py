"""Pins calls to the account that made the objects they refer to: stored answers, conversations, encrypted reasoning.

Runs on a worker, because the store of ids may block. A target whose account did not make it is skipped; if no other is
left, the error names the field. With a single account, only the caller is checked. Answers that the gateway itself
stores can go to every target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nexus.call import Call
from nexus.errors import InvalidRequest, NexusError
from nexus.gateway.affinity import session_of
from nexus.gateway.candidates import candidates_of
from nexus.gateway.file_access import has_owner, stores_files, unknown
from nexus.gateway.routing import Model
from nexus.protocols.checks import check_stored_names
from nexus.protocols.loader import DIALECTS
from nexus.provider.route import Route
from nexus.relay.call_state import CallState
from nexus.relay.candidate import Candidate, Plan
from nexus.relay.lanes import passes
from nexus.response_store.vendor_ids import VendorIds

Excluded = Mapping[str, NexusError]
"""By the name of a candidate, why it is skipped."""

Named = Sequence[tuple[str, str]]
"""The ids of stored objects in a request, each with its field; "" for the path."""


def pin(state: CallState, plan: Plan, ids: VendorIds) -> Excluded:
    """The candidates to skip. Raises NotFound if the call names an object of another caller, InvalidRequest if it is
    unclear which object it names."""
    candidates = plan.left
    passing = [one for one in candidates if passes(state.call, one.route)]
    if not passing:
        return {}
    several = len({one.keeper for one in candidates}) > 1
    without_files = _without_files(state.call, candidates, passing) if several else {}
    dialect = DIALECTS[state.call.dialect]
    if ids.guards and dialect.has_vendor_ids:
        check_stored_names(state.call.body, state.call.document)
    named = dialect.vendor_ids(state.call.path, state.call.document)
    own = _own_answers(state, named)
    state.resolves = bool(own) and all(own.values())
    if not several:
        if not state.resolves:
            _check(state, passing[0], ids, named)
        return {}
    state.vendor_ids, state.pinned = ids, True
    if named and not state.resolves:
        elsewhere = _without_makers(candidates, passing, ids, named, own=any(own.values()))
    else:
        elsewhere = _without_readers(state.call, candidates, passing, ids)
    return {**elsewhere, **without_files}


def maker(call: Call, storing: Iterable[Route], ids: VendorIds) -> str:
    """The name of the provider that made the object in the path; "" if none is known, or several are. Raises
    Overloaded if the store of ids is unavailable."""
    named = [id for _, id in DIALECTS[call.dialect].vendor_ids(call.path, {})]
    keepers = {
        one.keeper: route.provider.name
        for route in storing
        for one in candidates_of(call, Model(route.name, (route,)), route, "")
    }
    found = {keepers[keeper] for keeper in ids.makers(list(keepers), named)}
    return found.pop() if len(found) == 1 else ""


def _own_answers(state: CallState, named: Named) -> Mapping[str, bool]:
    """By the answers that a request refers to, whether the gateway itself stores them; empty if it stores none."""
    if state.answers is None:
        return {}
    answers = {DIALECTS[state.call.dialect].answer_of(id) for field, id in named if field}
    found = state.answers.find(answers) if answers else {}
    return {id: id in found for id in answers}


def _check(state: CallState, candidate: Candidate, ids: VendorIds, named: Named) -> None:
    """Checks ownership; not for callers with their own keys, whom the vendor itself identifies."""
    if not candidate.own and ids.guards:
        state.vendor_ids = ids
        ids.check(candidate.keeper, named)


def _without_files(call: Call, candidates: Sequence[Candidate], passing: Sequence[Candidate]) -> Excluded:
    """The candidates without the files that a request names. ``strangers_files`` judges those that hold files."""
    uploaded = DIALECTS[call.dialect].uploaded_ids(call.document)
    if not uploaded:
        return {}
    judged = [one for one in passing if stores_files(one.route)] if all(map(has_owner, uploaded)) else []
    if not judged:
        # The accounts are tried one after the other.
        return {}
    text = "a file exists only in the account that it was uploaded to"
    return _all([one for one in candidates if one not in judged], InvalidRequest.about(uploaded[0][0], text))


def _without_makers(
    candidates: Sequence[Candidate], passing: Sequence[Candidate], ids: VendorIds, named: Named, *, own: bool
) -> Excluded:
    """The candidates whose account did not make what a request names. ``own``: some of it is the gateway's."""
    unknown = _unknown(*named[0])
    if own:
        return _all(passing, unknown)
    # A translation cannot carry objects stored at one vendor to another.
    makers = ids.makers(_keepers(passing), [id for _, id in named])
    return _all([one for one in candidates if one not in passing or one.keeper not in makers], unknown)


def _without_readers(
    call: Call, candidates: Sequence[Candidate], passing: Sequence[Candidate], ids: VendorIds
) -> Excluded:
    """The candidates whose account cannot decrypt the reasoning; a translation drops it and reports that."""
    if not (sealed := DIALECTS[call.dialect].sealed_ids(call.document)):
        return {}
    makers = ids.makers(_keepers(passing), [id for _, id in sealed])
    if not makers and session_of(call) is not None:
        # The maker is unknown, but sessions stay at one account: assume the one that the session prefers.
        makers = frozenset({candidates[0].keeper})
    text = "only the account that created this reasoning can decrypt it, and this request does not go there"
    return _all([one for one in passing if one.keeper not in makers], InvalidRequest.about(sealed[0][0], text))


def _keepers(candidates: Sequence[Candidate]) -> list[str]:
    return list(dict.fromkeys(one.keeper for one in candidates))


def _unknown(field: str, id: str) -> NexusError:
    if not field:
        return unknown(id)
    return InvalidRequest.about(field, f"no account of this model is known to have created {id[:100]} for you")


def _all(candidates: Sequence[Candidate], error: NexusError) -> Excluded:
    return {one.name: error for one in candidates}

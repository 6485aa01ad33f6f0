"""Pins calls to the account that made what they refer to: stored answers, conversations, encrypted reasoning.

Runs on a worker, because the store of ids may block. A target whose account did not make it is not asked; if no other
is left, the error names the field. With a single account only callers have to be told apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nexus.call import Call, VendorIds
from nexus.errors import InvalidRequest, NexusError, NotFound
from nexus.gateway.affinity import session_of
from nexus.protocols.loader import DIALECTS
from nexus.relay.candidate import Candidate, Plan
from nexus.relay.exchange import CallState
from nexus.relay.lanes import passes

Refused = Mapping[str, NexusError]
"""By the name of a place, why it must not be asked."""


def pin(state: CallState, plan: Plan, ids: VendorIds | None) -> Refused:
    """The places that the call must not go to. Raises NotFound if the call names what belongs to another caller."""
    candidates = plan.left
    passing = [one for one in candidates if passes(state.call, one.route)]
    if ids is None or not passing:
        return {}
    if len({one.keeper for one in candidates}) < 2:
        _check(state, passing[0], ids)
        return {}
    state.vendor_ids = ids
    ids.pins = True
    return _Pins(state.call, candidates, passing, ids).refused(state)


def _check(state: CallState, candidate: Candidate, ids: VendorIds) -> None:
    """Checks ownership; not for callers with their own keys, whom the vendor tells apart."""
    if not candidate.own and ids.guards:
        state.vendor_ids = ids
        call = state.call
        ids.check(candidate.keeper, DIALECTS[call.dialect].vendor_ids(call.path, call.document))


class _Pins:
    """The pins of one call whose candidates lie in several accounts."""

    def __init__(
        self, call: Call, candidates: Sequence[Candidate], passing: Sequence[Candidate], ids: VendorIds
    ) -> None:
        self._call = call
        self._candidates = candidates
        self._passing = passing
        self._ids = ids

    def refused(self, state: CallState) -> Refused:
        call, dialect = self._call, DIALECTS[self._call.dialect]
        if uploaded := dialect.uploaded_ids(call.document):
            text = (
                "a file exists only in the account that it was uploaded to; this model has several: use provider/model"
            )
            return self._all(self._candidates, InvalidRequest.about(uploaded[0][0], text))
        named = dialect.vendor_ids(call.path, call.document)
        if named and not self._kept_here(state, named):
            # A translation cannot bring what one vendor stores to another.
            makers = self._makers([id for _, id in named])
            strangers = [one for one in self._candidates if one not in self._passing or one.keeper not in makers]
            return self._all(strangers, self._unknown(*named[0]))
        if named:
            return self._all(self._passing, self._unknown(*named[0]))
        return self._sealed(dialect.sealed_ids(call.document))

    def _sealed(self, sealed: Sequence[tuple[str, str]]) -> Refused:
        """Encrypted reasoning can be opened only by the account that made it; a translation drops it and reports
        that."""
        if not sealed:
            return {}
        makers = self._makers([id for _, id in sealed])
        if not makers and session_of(self._call) is not None:
            # The maker is unknown, but sessions stay at one account: assume the one that the session prefers.
            makers = {self._candidates[0].keeper}
        field, _ = sealed[0]
        text = "only the account that created this reasoning can decrypt it, and this request does not go there"
        strangers = [one for one in self._passing if one.keeper not in makers]
        return self._all(strangers, InvalidRequest.about(field, text))

    def _makers(self, ids: Sequence[str]) -> Collection[str]:
        return self._ids.makers(list(dict.fromkeys(one.keeper for one in self._passing)), ids)

    def _kept_here(self, state: CallState, named: Sequence[tuple[str, str]]) -> bool:
        return state.answers is not None and bool(state.answers.find([id for _, id in named]))

    def _unknown(self, field: str, id: str) -> NexusError:
        if not field:
            return NotFound(f"{id[:100]} does not exist or is not yours")
        return InvalidRequest.about(field, f"no account of this model is known to have created {id[:100]} for you")

    @staticmethod
    def _all(candidates: Sequence[Candidate], error: NexusError) -> Refused:
        return {one.name: error for one in candidates}

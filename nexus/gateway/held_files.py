"""A request names files of its own caller only, where files of a provider are held for callers.

On a worker, for whose they are is asked of a database. Where files come by other ways than the gateway's nobody is told
apart, and the vendor alone says what there is.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.accounting.holdings import Holdings
from nexus.call import Call
from nexus.errors import InvalidRequest, NexusError
from nexus.protocols.loader import DIALECTS
from nexus.relay.candidate import Plan
from nexus.relay.lanes import passes

_FIELDS = ("file_id", "file_ids")
_MARK = b"file_id"
_ESCAPE = b"\\u00"


def strangers_files(call: Call, plan: Plan, holdings: Holdings) -> Mapping[str, NexusError]:
    """The places that may not be asked, since the file is not this caller's there. Raises Overloaded where nobody can
    look."""
    held = [one for one in plan.left if one.route.provider.holds("files", call.dialect) and passes(call, one.route)]
    if not held or not (_MARK in call.body or _ESCAPE in call.body):
        return {}
    uploaded = DIALECTS[call.dialect].uploaded_ids(call.document)
    named = {id: where for where, id in uploaded if where.rpartition(".")[2] in _FIELDS}
    owner = call.identity.owner
    mine = {(one.provider, one.keeper, one.id) for one in holdings.find(list(named)) if one.owner == owner}
    refused: dict[str, NexusError] = {}
    for one in held:
        for id, where in named.items():
            if (one.route.provider.name, one.keeper, id) not in mine:
                text = f"{where}: {id[:100]} is no file that was uploaded for you here"
                refused[one.name] = InvalidRequest(text, param=where)
                break
    return refused

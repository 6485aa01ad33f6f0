"""What a client is told when every place was tried or skipped.

A vendor's answer before a refusal of our own: the last one's, as it came. Of refusals
that the conversation is too long comes first, for the client can make it shorter, then what the first target could not
express; a refusal for which waiting helps is the answer where every target was refused so.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.errors import NexusError, Overloaded
from nexus.relay.candidate import Plan, Skip


def last_words(plan: Plan) -> NexusError:
    if plan.error is not None:
        return plan.error
    if not plan.skips:
        return Overloaded("no target is left to ask", retry_after=1)
    for failures in (("too_small",), ("not_expressible",), ("no_room", "over_limit")):
        if found := [skip for skip in plan.skips if skip.failure in failures]:
            return _of(found)
    return plan.skips[0].error


def _of(skips: Sequence[Skip]) -> NexusError:
    """The one with the smallest true wait; of those that no waiting helps, the first."""
    waits = [skip.error for skip in skips if skip.error.retry_after is not None]
    return min(waits, key=lambda error: error.retry_after or 0.0) if waits else skips[0].error

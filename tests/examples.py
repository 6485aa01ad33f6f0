"""How many cases a property is tried with: an eighth of them in every developer's run, all of them in CI's.

``NEXUS_EXAMPLES=all`` takes all of them; ``NEXUS_LAWS=20`` twenty times as many, and others in every run.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("NEXUS_LAWS", "0"))
_SHARE = 8 * FACTOR or (8 if os.environ.get("NEXUS_EXAMPLES") == "all" else 1)


def _count(cases: int) -> int:
    return max(10, cases * _SHARE // 8)


# The same cases in every run, so that CI never judges by luck. Nor does it judge by the clock: a busy machine is no
# fault of the code.
settings.register_profile(
    "same",
    derandomize=not FACTOR,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=_count(100),
)
settings.load_profile("same")


def examples(cases: int) -> settings:
    """In place of the usual 100."""
    return settings(max_examples=_count(cases))

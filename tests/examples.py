"""Number of cases per property test: a sixteenth in developers' runs, all in CI.

``NEXUS_EXAMPLES=all`` runs all of them; ``NEXUS_LAWS=20`` runs twenty times as many, with new cases in every run.
"""

import gzip
import os

from hypothesis import HealthCheck, settings
from hypothesis.internal.charmap import charmap_file

FACTOR = int(os.environ.get("NEXUS_LAWS", "0"))
_SHARE = 16 * FACTOR or (16 if os.environ.get("NEXUS_EXAMPLES") == "all" else 1)


def _count(cases: int) -> int:
    return max(6, cases * _SHARE // 16)


# The same cases in every run, so that CI results are deterministic. No deadline either: a busy machine is not the
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


def store_codecs() -> None:
    """Otherwise each process of the first run in a folder tries a million characters per codec, for seconds."""
    for codec, found in {"utf-8": "[[0, 55295], [57344, 1114111]]", "iso8859-1": "[[0, 255]]"}.items():
        file = charmap_file(f"codec-v2-{codec}")
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(f"[{found}, []]".encode()))


def examples(cases: int) -> settings:
    """Number of cases, relative to Hypothesis' default of 100."""
    return settings(max_examples=_count(cases))

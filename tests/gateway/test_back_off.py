"""The delay before a retry at the same target."""

import pytest

from nexus.gateway.consequences import back_off
from nexus.settings.attempts import Retries


@pytest.mark.parametrize(("tries", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (9, 3.0)])
def test_it_doubles_up_to_a_bound_and_is_random(tries: int, most: float) -> None:
    pauses = [back_off(Retries(base_delay="500ms", max_delay="3s"), tries) for _ in range(200)]  # type: ignore[arg-type]
    assert min(pauses) >= 0
    assert most / 2 < max(pauses) <= most
    assert len(set(pauses)) > 100

"""The breaker: which calls may pass, and whose success closes it."""

from nexus.limits.breaker import Breaker
from tests.clock import Clock


def test_one_probe_at_a_time_and_only_its_success_counts() -> None:
    seconds = Clock(0.0)
    breaker = Breaker(1.0, seconds)
    assert breaker.enter() == "normal"
    assert breaker.failed()
    assert not breaker.failed(), "only the first of a row is news"
    assert breaker.enter() is None
    assert not breaker.succeeded("normal"), "a straggler proves nothing"
    assert breaker.is_open
    seconds.now = 1.0
    assert [breaker.enter(), breaker.enter()] == ["probe", None]
    assert breaker.succeeded("probe")
    assert not breaker.is_open
    assert breaker.enter() == "normal"


def test_a_probe_that_never_returns_is_followed_by_another() -> None:
    seconds = Clock(0.0)
    breaker = Breaker(1.0, seconds)
    breaker.failed()
    for second in (1.0, 2.0, 3.0):
        seconds.now = second
        assert [breaker.enter(), breaker.enter()] == ["probe", None]

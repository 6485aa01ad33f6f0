"""One token shared by many calls: which calls wait for a fetch, and how long."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexus.cancel import Cancel
from nexus.errors import Cancelled, InternalError, Overloaded, Unreachable, UpstreamError, UpstreamTimeout
from nexus.renewal import EARLY, LEAST, PAUSE, Grant, Renewed
from tests.clock import Clock
from tests.serving import wait_until
from tests.threads import no_thread


class Issuer:
    """Grants that last ``seconds``; each fetch waits for ``open`` and may fail."""

    def __init__(self, clock: Clock, seconds: float = 3600.0) -> None:
        self.clock, self.seconds = clock, seconds
        self.fetches = 0
        self.busy = 0
        self.most = 0
        self.failure: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()

    def __call__(self) -> Grant[Mapping[str, str]]:
        with self._lock:
            self.fetches += 1
            self.busy += 1
            self.most = max(self.most, self.busy)
            number = self.fetches
        try:
            assert self.open.wait(60)
            if self.failure is not None:
                raise self.failure
            now = self.clock()
            return Grant({"authorization": f"Bearer {number}"}, expires=now + self.seconds, fetched=now)
        finally:
            with self._lock:
                self.busy -= 1


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    return Issuer(clock)


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "g-access-token"]


def tokens(issuer: Issuer, patience: float = 10.0) -> Renewed[Mapping[str, str]]:
    return Renewed[Mapping[str, str]]("g", issuer, patience=patience, clock=issuer.clock)


def taken(tokens: Renewed[Mapping[str, str]], cancel: Cancel | None = None) -> str:
    return tokens.get(cancel or Cancel()).value["authorization"]


def test_a_fetch_for_which_there_was_no_thread_is_tried_again(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tokens(issuer)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert shared.request_fetch() is None
        with pytest.raises(Overloaded, match="cannot start another thread"):
            taken(shared)
    assert taken(shared) == "Bearer 1"
    clock.now += issuer.seconds - EARLY
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert taken(shared) == "Bearer 1", "the old value is still good"


def test_a_renewal_for_which_there_was_no_thread_begins_when_the_value_is_read(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the keys of an identity provider would stay in use for ever, also those that it withdrew."""
    shared = Renewed[Mapping[str, str]]("g", issuer, retry=3600.0, clock=issuer.clock)
    issuer.open.clear()
    fetched = shared.request_fetch()
    assert fetched is not None
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        issuer.open.set()
        fetched.result(60)
        assert shared.value == {"authorization": "Bearer 1"}
    wait_until(lambda: shared.value == {"authorization": "Bearer 2"})
    shared.close()


def test_concurrent_calls_share_one_fetch(issuer: Issuer) -> None:
    issuer.open.clear()
    shared = tokens(issuer)
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(taken, shared) for _ in range(20)]
        wait_until(lambda: issuer.fetches == 1)
        issuer.open.set()
        assert {call.result(60) for call in calls} == {"Bearer 1"}
    assert (issuer.fetches, taken(shared)) == (1, "Bearer 1")


def test_a_token_is_renewed_early_without_blocking_calls(clock: Clock, issuer: Issuer) -> None:
    shared = tokens(issuer)
    assert taken(shared) == "Bearer 1"
    clock.now += 3600 - EARLY - 1
    assert taken(shared) == "Bearer 1"
    assert issuer.fetches == 1
    issuer.open.clear()
    clock.now += 2
    assert [taken(shared) for _ in range(5)] == ["Bearer 1"] * 5
    wait_until(lambda: issuer.fetches == 2)
    issuer.open.set()
    wait_until(lambda: taken(shared) == "Bearer 2")
    assert (issuer.fetches, issuer.most) == (2, 1)


def test_calls_wait_for_a_new_token_if_the_old_one_is_about_to_expire(clock: Clock, issuer: Issuer) -> None:
    shared = tokens(issuer)
    taken(shared)
    clock.now += 3600 - LEAST
    assert taken(shared) == "Bearer 2"


def test_a_short_lived_token_is_not_fetched_for_each_call(clock: Clock) -> None:
    issuer = Issuer(clock, seconds=60)
    shared = tokens(issuer)
    assert [taken(shared) for _ in range(5)] == ["Bearer 1"] * 5
    clock.now += 46
    taken(shared)
    wait_until(lambda: taken(shared) == "Bearer 2")


def test_a_token_without_expiry_is_kept(clock: Clock) -> None:
    issuer = Issuer(clock, seconds=float("inf"))
    shared = tokens(issuer)
    taken(shared)
    clock.now += 1e9
    assert taken(shared) == "Bearer 1"


def test_waiting_calls_share_a_failure_and_the_next_call_retries(issuer: Issuer) -> None:
    issuer.failure = Unreachable("g: gone", provider="g")
    issuer.open.clear()
    shared = tokens(issuer)
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(taken, shared) for _ in range(5)]
        wait_until(lambda: issuer.fetches == 1)
        # All five are waiting, or will join the same fetch.
        time.sleep(0.05)
        issuer.open.set()
        errors = [call.exception(60) for call in calls]
    assert all(isinstance(error, Unreachable) for error in errors)
    issuer.failure = None
    assert taken(shared).startswith("Bearer ")


def test_a_failed_early_renewal_fails_no_call_and_is_not_retried_at_once(
    clock: Clock, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    shared = tokens(issuer)
    taken(shared)
    issuer.failure = Unreachable("g: gone", provider="g")
    clock.now += 3600 - EARLY
    with caplog.at_level(logging.WARNING):
        assert taken(shared) == "Bearer 1"
        wait_until(lambda: len(caplog.records) == 1)
    assert caplog.records[0].__dict__["fields"] == {"provider": "g", "why": "g: gone", "kept": True}
    assert [taken(shared) for _ in range(5)] == ["Bearer 1"] * 5
    assert issuer.fetches == 2
    clock.now += PAUSE
    issuer.failure = None
    taken(shared)
    wait_until(lambda: taken(shared) == "Bearer 3")


def test_a_cancelled_call_stops_waiting_and_the_fetch_continues(issuer: Issuer) -> None:
    issuer.open.clear()
    shared, cancel = tokens(issuer), Cancel()
    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(taken, shared, cancel)
        stays = pool.submit(taken, shared)
        wait_until(lambda: issuer.fetches == 1)
        cancel.throw(Cancelled("gone"))
        assert isinstance(left.exception(60), Cancelled)
        assert not stays.done()
        issuer.open.set()
        assert stays.result(60) == "Bearer 1"
    assert issuer.fetches == 1


def test_an_already_cancelled_call_fetches_nothing(issuer: Issuer) -> None:
    cancel = Cancel()
    cancel.throw(Cancelled("gone"))
    with pytest.raises(Cancelled):
        tokens(issuer).get(cancel)
    assert issuer.fetches == 0


def test_calls_time_out_on_a_stuck_fetch(issuer: Issuer) -> None:
    issuer.open.clear()
    shared = tokens(issuer, patience=0.05)
    with pytest.raises(UpstreamTimeout, match=r"g: no access token within 0\.05 s") as caught:
        taken(shared)
    assert (caught.value.retryable, caught.value.provider) == (True, "g")
    with pytest.raises(UpstreamTimeout):
        taken(shared)
    assert issuer.fetches == 2
    issuer.open.set()
    wait_until(lambda: issuer.busy == 0)
    assert taken(shared) in ("Bearer 1", "Bearer 2")
    assert issuer.fetches == 2


def test_a_rejected_token_is_dropped_unless_it_is_new(clock: Clock, issuer: Issuer) -> None:
    shared = tokens(issuer)
    grant = shared.get(Cancel()).value
    shared.reject(grant)
    assert taken(shared) == "Bearer 1"
    clock.now += PAUSE + 1
    shared.reject(grant)
    assert taken(shared) == "Bearer 2"
    shared.reject(grant)
    assert taken(shared) == "Bearer 2"


def test_a_bug_in_the_fetch_fails_waiting_calls(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.failure = RuntimeError("a bug")
    with pytest.raises(InternalError) as caught:
        taken(tokens(issuer))
    assert "a bug" not in caught.value.message
    assert caplog.records[0].exc_info is not None


def test_threads_are_daemons(issuer: Issuer) -> None:
    """A process that stops does not wait for a token."""
    issuer.open.clear()
    with pytest.raises(UpstreamError):
        taken(tokens(issuer, patience=0.01))
    assert fetching() and all(thread.daemon for thread in fetching())
    issuer.open.set()
    wait_until(lambda: not fetching())


@pytest.fixture
def eager(issuer: Issuer) -> Iterator[Renewed[Mapping[str, str]]]:
    shared = Renewed[Mapping[str, str]]("g", issuer, retry=0.01, clock=issuer.clock)
    yield shared
    shared.close()


def test_an_eager_value_is_renewed_without_calls(issuer: Issuer, eager: Renewed[Mapping[str, str]]) -> None:
    """The clock is stopped, and a value with zero lifetime is renewed at once."""
    issuer.seconds = 0
    eager.start()
    wait_until(lambda: issuer.fetches > 2)
    assert issuer.most == 1


def test_an_eager_value_retries_after_failures_and_bugs(
    issuer: Issuer, eager: Renewed[Mapping[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    for failure in (Unreachable("g: gone", provider="g"), RuntimeError("a bug")):
        issuer.failure = failure
        began = issuer.fetches
        eager.start()
        wait_until(lambda began=began: issuer.fetches > began + 1)  # type: ignore[misc]
    issuer.failure = None
    wait_until(lambda: eager.value is not None)
    assert {record.getMessage() for record in caplog.records} == {"the access token could not be fetched"}


def test_closing_ends_all_waiting_even_if_the_fetch_is_stuck(issuer: Issuer, eager: Renewed[Mapping[str, str]]) -> None:
    issuer.open.clear()
    eager.start()
    end = eager.request_fetch()
    assert end is not None
    eager.close()
    end.result(0)
    assert eager.request_fetch() is None
    issuer.open.set()
    wait_until(lambda: not fetching())
    assert eager.request_fetch() is None and issuer.fetches == 1


def test_a_clock_that_is_set_back_keeps_no_rejected_value(issuer: Issuer, clock: Clock) -> None:
    shared = tokens(issuer)
    first = shared.get(Cancel()).value
    clock.now -= 3600
    assert shared.replace(first, Cancel()) == {"authorization": "Bearer 2"}
    clock.now -= 3600
    assert shared.reject({"authorization": "Bearer 2"})
    assert taken(shared) == "Bearer 3"

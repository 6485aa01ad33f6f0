"""Reserve and settle: what is reserved, what replaces it, and that each reservation settles once."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import Usage
from nexus.errors import Cancelled, StreamInterrupted, Unreachable, VendorError
from nexus.errors.failure import VendorFailure
from nexus.limits.calibration import UNKNOWN
from nexus.limits.demands import LARGEST, LimitedCall, output_asked
from nexus.limits.learned import Learned
from nexus.limits.limiter import Limits
from nexus.limits.quota import Demand, Granted
from nexus.limits.refusal import LimitExceeded
from nexus.limits.reservation import Reservation
from nexus.limits.rules import LimitKey, LimitRules
from nexus.limits.store_memory import MemoryStore
from nexus.settings.limits import RateLimits
from tests.limits.kit import Clock
from tests.threads import at_once

ALL = {"input_token_limit": 1000, "output_token_limit": 500, "request_limit": 10}
USAGE = Usage(input=10, cache_read=20, cache_write_5m=30, cache_write_1h=1, output=40, reasoning=2)


class House:
    """Limits over an in-memory store with a manual clock."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.learned = Learned()
        self.store = MemoryStore(self.clock)
        self.limits = Limits(self.store, self.learned)
        self.table = RateLimits.model_validate({"per_user": {"interval": "60s", **limits}})

    def ask(self, tokens: int = 100, max_output: int | None = 50, client: str = "c") -> LimitedCall:
        return LimitedCall(LimitKey(client, None, "p", "m", self.table, None), lambda: Estimate(tokens), max_output)

    def reserve(self, tokens: int = 100, max_output: int | None = 50, client: str = "c") -> Reservation:
        return self.limits.reserve(self.ask(tokens, max_output, client))

    def used(self) -> Mapping[str, int]:
        """Current usage, read by booking zero."""
        quotas = LimitRules().resolve(self.ask().limit_key)
        booked = self.store.book([Demand(quota, 0) for quota in quotas])
        return {standing.quota.dimension: standing.used for standing in booked.standings}


@pytest.fixture
def house() -> House:
    return House(**ALL)


def counts(tokens: int, output: int, requests: int) -> dict[str, int]:
    return {"input_tokens": tokens, "output_tokens": output, "requests": requests}


def _refusing(status: int) -> Callable[[Reservation], None]:
    error = VendorError(VendorFailure("x", "invalid_request" if status < 500 else "upstream", status))
    return lambda held: held.finish(error, billed=False, usage=None)


OVERLOADED = VendorError(VendorFailure("x", "overloaded", 529))

ENDINGS: dict[str, tuple[Callable[[Reservation], None], dict[str, int]]] = {
    "success": (lambda held: held.settle(USAGE), counts(61, 42, 1)),
    "success, nothing reported": (lambda held: held.settle(None), counts(100, 50, 1)),
    "success, no input reported": (lambda held: held.settle(Usage(output=7)), counts(100, 7, 1)),
    "refund": (lambda held: held.refund(), counts(0, 0, 0)),
    "cut off, usage seen": (lambda held: held.cut_off(Usage(input=80, output=3)), counts(80, 3, 1)),
    "cut off, nothing seen": (lambda held: held.cut_off(None), counts(100, 0, 1)),
    "cut off, pieces seen": (lambda held: held.cut_off(None, streamed=33), counts(100, 33, 1)),
    "cut off, more pieces than usage": (lambda held: held.cut_off(Usage(input=9, output=1), 33), counts(9, 33, 1)),
    "finished well": (lambda held: held.finish(None, billed=True, usage=USAGE), counts(61, 42, 1)),
    "no answer": (lambda held: held.finish(Unreachable("x", provider="p"), billed=False, usage=None), counts(0, 0, 0)),
    **{
        f"the vendor answered {status}": (_refusing(status), counts(0, 0, wrong))
        for status, wrong in ((400, 1), (404, 1), (413, 1), (422, 1), (408, 0), (429, 0), (500, 0), (529, 0))
    },
    "the stream broke": (
        lambda held: held.finish(StreamInterrupted("x", provider="p"), billed=True, usage=None, streamed=5),
        counts(100, 5, 1),
    ),
    "the client disconnected in the stream": (
        lambda held: held.finish(Cancelled("x"), billed=True, usage=Usage(input=80), streamed=5),
        counts(80, 5, 1),
    ),
    "the client disconnected while the vendor was processing": (
        lambda held: held.finish(Cancelled("x"), billed=True, usage=None),
        counts(100, 0, 1),
    ),
    "the client disconnected before any attempt": (
        lambda held: held.finish(Cancelled("x"), billed=False, usage=None),
        counts(0, 0, 0),
    ),
    "the vendor failed while processing": (
        lambda held: held.finish(Unreachable("x", provider="p"), billed=True, usage=None),
        counts(100, 0, 1),
    ),
    "an error after the answer began": (
        lambda held: held.finish(OVERLOADED, billed=True, usage=Usage(input=80, output=1)),
        counts(80, 1, 1),
    ),
    "a refusal after the answer began": (
        lambda held: held.finish(VendorError(VendorFailure("x", "invalid_request", 400)), billed=True, usage=None),
        counts(0, 0, 1),
    ),
    "success after billed attempts": (
        lambda held: held.finish(None, billed=True, usage=USAGE, earlier=[Usage(input=80, output=1), None]),
        counts(61 + 80 + 100, 42, 1),
    ),
    "no answer after a billed attempt": (
        lambda held: held.finish(OVERLOADED, billed=False, usage=None, earlier=[Usage(input=80)]),
        counts(80, 0, 1),
    ),
    "the vendor reports absurd usage": (lambda held: held.settle(Usage(input=10**30, output=0)), counts(LARGEST, 0, 1)),
}


@pytest.mark.parametrize(("end", "expected"), ENDINGS.values(), ids=ENDINGS.keys())
def test_each_ending_settles_the_expected_amounts(end: Callable[[Reservation], None], expected: dict[str, int]) -> None:
    house = House(input_token_limit=10**10, output_token_limit=500, request_limit=10)
    held = house.reserve()
    assert house.used() == counts(UNKNOWN.expect(Estimate(100)).bound, 50, 1)
    assert house.limits.open == 1
    end(held)
    assert house.used() == expected
    assert house.limits.open == 0


@pytest.mark.parametrize("second", ENDINGS.values(), ids=ENDINGS.keys())
def test_only_the_first_ending_counts(
    house: House, second: tuple[Callable[[Reservation], None], dict[str, int]]
) -> None:
    held = house.reserve()
    held.settle(USAGE)
    second[0](held)
    assert house.used() == counts(61, 42, 1)
    assert house.limits.open == 0


def test_a_reservation_ended_by_many_threads_is_settled_once(house: House) -> None:
    held, start = house.reserve(), threading.Barrier(32)

    def end() -> None:
        start.wait()
        held.settle(USAGE)

    at_once([end] * 32)
    assert house.used() == counts(61, 42, 1)
    assert house.limits.open == 0


class TestRefusal:
    def test_a_refusal_names_rule_limit_remainder_and_wait(self, house: House) -> None:
        house.reserve(tokens=900).settle(None)
        house.clock.tick(47.5)
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(tokens=200)
        error = caught.value
        assert (error.status, error.kind, error.param) == (429, "rate_limit", None)
        quota, standing = error.refused.demand.quota, error.refused.standing
        assert (quota.rule, quota.dimension, quota.limit) == ("provider p", "input_tokens", 1000)
        assert (standing.remaining, standing.reset, error.refused.demand.needed) == (100, 12_500_000, 200)
        assert error.retry_after == 12.5
        assert error.message == (
            "Nexus limits provider p to 1000 input tokens per 1m; "
            "100 are left and this request needs 200: retry in 13 s"
        )
        assert house.limits.open == 0

    def test_a_request_above_the_limit_gets_no_retry_after(self, house: House) -> None:
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(tokens=1001)
        error = caught.value
        assert (error.refused.never, error.retry_after, error.param) == (True, None, None)
        assert "can never succeed: shorten it" in error.message
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(max_output=501)
        assert (caught.value.refused.never, caught.value.param) == (True, "max_tokens")
        assert house.used() == counts(0, 0, 0)


class TestOutput:
    def test_a_call_without_max_tokens_reserves_all_that_is_left_of_a_small_limit(self, house: House) -> None:
        """While one call runs that could use all of the limit, every other call is refused."""
        house.reserve(max_output=300).settle(Usage(output=300))
        running = house.reserve(max_output=None)
        assert house.used()["output_tokens"] == 300 + 450, "long for a model that answered with 300"
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(max_output=None)
        demand, never = caught.value.refused.demand, caught.value.refused.never
        assert (demand.quota.dimension, never, demand.needed) == ("output_tokens", False, 1)
        running.settle(Usage(input=1, output=10))
        house.reserve(max_output=None)

    def test_a_call_without_max_tokens_is_granted_under_a_limit_of_one(self) -> None:
        house = House(output_token_limit=1)
        house.reserve(max_output=None).settle(Usage(output=1))

    def test_the_default_output_is_reserved_before_any_answer(self) -> None:
        house = House(output_token_limit=10**6)
        house.reserve(max_output=None)
        assert house.used() == {"output_tokens": 4096}

    def test_output_length_is_learned_from_answers(self) -> None:
        house = House(output_token_limit=10**6)
        for _ in range(50):
            house.reserve(max_output=None).settle(Usage(input=1, output=200))
        before = house.used()["output_tokens"]
        house.reserve(max_output=None)
        assert 200 <= house.used()["output_tokens"] - before <= 230


class TestInput:
    def test_input_counts_are_learned_per_model(self) -> None:
        house = House(input_token_limit=10**9)
        for _ in range(60):
            house.reserve(tokens=10_000).settle(Usage(input=20_000))
        before = house.used()["input_tokens"]
        house.reserve(tokens=10_000)
        assert 20_000 <= house.used()["input_tokens"] - before <= 22_000
        assert house.learned.input("p", "other", Estimate(100)).guess == 100

    def test_an_upper_bound_is_reserved_before_any_answer(self, house: House) -> None:
        house.reserve(tokens=12)
        assert house.used()["input_tokens"] > 400
        house.reserve(tokens=12)
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(tokens=12)
        assert (caught.value.refused.demand.needed, caught.value.refused.never) == (12, False)

    def test_one_outlier_does_not_block_callers_for_ever(self, house: House) -> None:
        house.reserve(tokens=12).settle(Usage(input=50_000))
        house.clock.tick(60)
        house.reserve(tokens=12).settle(Usage(input=50))
        house.reserve(tokens=12).settle(Usage(input=50))

    def test_a_call_refused_only_because_of_bounds_may_retry_soon(self) -> None:
        """The retry need not wait for the end of the day: running calls give back what they did not use."""
        house = House(input_token_limit=1000, interval="1d")
        held = house.reserve(tokens=600)
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(tokens=300)
        assert caught.value.retry_after == 5
        held.settle(Usage(input=600))
        with pytest.raises(LimitExceeded) as caught:
            house.reserve(tokens=500)
        assert caught.value.retry_after == 86_400

    def test_input_is_not_estimated_without_an_input_limit(self) -> None:
        house = House(request_limit=5)

        def estimate() -> Estimate:
            raise AssertionError("asked")

        house.limits.reserve(LimitedCall(house.ask().limit_key, estimate, None))


class TestLearned:
    def test_learned_output_is_capped(self) -> None:
        learned = Learned()
        learned.saw_output("p", "m", 10**9)
        assert learned.output("p", "m") == 100_000

    def test_zero_counts_teach_nothing(self) -> None:
        learned = Learned()
        learned.saw_input("p", "m", Estimate(0), 5)
        learned.saw_input("p", "m", Estimate(5), 0)
        assert (learned.input("p", "m", Estimate(5)).guess, learned.output("p", "m")) == (5, None)

    def test_varying_output_lengths_are_estimated_high(self) -> None:
        learned = Learned()
        for number in range(400):
            learned.saw_output("p", "m", 100 if number % 2 else 900)
        assert 800 <= (learned.output("p", "m") or 0) <= 1000


def test_a_store_that_fails_to_settle_does_not_fail_the_call(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        def settle(self, granted: Granted, amounts: object) -> None:
            raise ValueError("broken")

    limits = Limits(Broken())
    held = limits.reserve(House(request_limit=1).ask())
    with caplog.at_level(logging.ERROR):
        held.settle(None)
    assert "could not be settled" in caplog.text
    assert limits.open == 0


ASKED: dict[str, tuple[dict[str, Any], int | None]] = {
    "nothing": ({}, None),
    "chat": ({"max_tokens": 5}, 5),
    "chat, newer": ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
    "responses": ({"max_output_tokens": 9}, 9),
    "several choices": ({"max_tokens": 5, "n": 3}, 15),
    "the best of several": ({"max_tokens": 5, "n": 2, "best_of": 4}, 20),
    "several prompts": ({"max_tokens": 5, "n": 2, "prompt": ["a", "b", [1, 2]]}, 30),
    "a prompt of tokens": ({"max_tokens": 5, "prompt": [1, 2, 3]}, 5),
    "Gemini": ({"generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}}, 10),
    "Gemini, numbers as strings": ({"generationConfig": {"maxOutputTokens": "5", "candidateCount": "2"}}, 10),
    "numbers as strings": ({"max_tokens": "5", "n": "3"}, 15),
    "nonsense": ({"max_tokens": "-5", "n": True}, None),
    "null": ({"max_tokens": None}, None),
}


@pytest.mark.parametrize(("document", "expected"), ASKED.values(), ids=ASKED.keys())
def test_the_output_asked_for_is_read_from_each_dialect(document: dict[str, Any], expected: int | None) -> None:
    assert output_asked(document) == expected

"""Which budget a call counts against, what is reserved and charged, and when the log warns; with a test clock."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from nexus.accounting.prices import MILLION, NanoRates, Price
from nexus.accounting.record import Charge
from nexus.auth.identity import Identity
from nexus.call import Call, Tags
from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import Usage
from nexus.errors import Cancelled, InvalidRequest, PermissionDenied, VendorError
from nexus.errors.failure import VendorFailure
from nexus.gateway.budgets import Budgets, subject_of
from nexus.limits.demands import DEFAULT_OUTPUT, LimitedCall
from nexus.limits.limiter import Limits
from nexus.limits.quota import SECOND
from nexus.limits.refusal import BudgetExceeded
from nexus.limits.reservation import Reservation
from nexus.limits.rules import LimitKey
from nexus.limits.store_memory import MemoryStore
from nexus.settings.budgets import Budget
from nexus.settings.llm import LlmSettings
from tests.limits.kit import Clock

LLM = LlmSettings.model_validate(
    {"providers": {"p": {"type": "echo", "models": ["m", "other"]}}, "models": {"v": {"targets": ["p/m"]}}}
)
PRICE = Price(NanoRates({"input": 1000 * MILLION, "output": 2000 * MILLION}), "x")
"""A thousand nano-dollars per input token, two thousand per output token."""


def budget(**more: Any) -> Budget:
    return Budget.model_validate({"per": "user", "limit_usd": "0.001", "period": "day", **more})


def identity(**more: Any) -> Identity:
    known = {"client_id": "alice", "group": "pro", "models": None, "source": "key", "key": "alice", "owner": "alice"}
    return Identity(**{**known, "credential_headers": frozenset(), **more})


NO_TAGS = Tags()


def call(tags: Tags = NO_TAGS, **more: Any) -> Call:
    asked: dict[str, Any] = {"headers": {}, "query": "", "body": b"{}", "document": {}, "model": "p/m", "stream": False}
    return Call("id", "chat", "192.0.2.7", identity(**more), **asked, tags=tags)


SUBJECTS: dict[str, tuple[str, Call, str]] = {
    "a user": ("user", call(), "key:alice"),
    "a user by token": ("user", call(source="token"), "token:alice"),
    "callers not identified": ("user", call(client_id=None, key=None, source="open"), "address:192.0.2.7"),
    "a group": ("group", call(), "pro"),
    "no group": ("group", call(group=None), ""),
    "a key": ("key", call(client_id="team"), "key:alice"),
    "no key": ("key", call(source="token", key=None), "token:alice"),
    "a session": ("session", call(Tags(session="s1")), "session:key%3Aalice:s1"),
    "no session": ("session", call(), "session:key%3Aalice:"),
    "another caller's session": ("session", call(Tags(session="s1"), client_id="bob"), "session:key%3Abob:s1"),
    "a tag": ("tag:project", call(Tags(given=(("project", "web"),))), "web"),
}


@pytest.mark.parametrize(("per", "made", "subject"), SUBJECTS.values(), ids=SUBJECTS)
def test_which_budget_a_call_counts_against(per: str, made: Call, subject: str) -> None:
    assert subject_of(made, "b", budget(per=per)) == subject


def test_a_call_without_the_tag_is_rejected_naming_the_header() -> None:
    with pytest.raises(InvalidRequest, match=r"x-nexus-tags: expected project=\.\.\.") as refused:
        subject_of(call(), "b", budget(per="tag:project"))
    assert refused.value.param == "x-nexus-tags"


class Desk:
    """Admission with one store and a clock."""

    def __init__(self, **settings: Budget) -> None:
        self.clock = Clock()
        self.clock.now = round(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()) * SECOND
        self.store = MemoryStore(self.clock)
        self.limits = Limits(self.store)
        self.settings = settings
        self.budgets = Budgets(settings, LLM, lambda: self.clock.now / SECOND)

    def hold(self, max_output: int | None = 100, tokens: int = 100, made: Call | None = None) -> Reservation:
        spending = self.budgets.spending(made or call(), "p/m", PRICE)
        # Before a model's first answer, several times the expected cost is reserved.
        self.limits.learned.saw_input("p", "m", Estimate(tokens), tokens)
        return self.limits.reserve(
            LimitedCall(LimitKey("c", None, "p", "m", None, None), lambda: Estimate(tokens), max_output, spending)
        )

    def charged(self, held: Reservation) -> list[int]:
        return [charge.nano for charge in self.budgets.concluded(held, self.store)]

    def spend(self, nano: int) -> None:
        held = self.hold(1, 1)
        held.settle(Usage(input=nano // 1000))
        self.charged(held)


WRONG = VendorError(VendorFailure("x", kind="invalid_request", status=400))

CHARGED: dict[str, tuple[Callable[[Reservation], None], int]] = {
    "an answer": (lambda held: held.settle(Usage(input=100, output=7)), 114_000),
    "an unknown tier charges the reservation": (
        lambda held: held.settle(Usage(input=1, service_tier="turbo")),
        300_000,
    ),
    "an unknown tier charges the most that its tokens cost, if that is more": (
        lambda held: held.settle(Usage(input=1, output=500, service_tier="turbo")),
        1_001_000,
    ),
    "an answer without usage charges what was expected": (lambda held: held.settle(None), 300_000),
    "a broken stream": (lambda held: held.cut_off(Usage(input=100), 9), 118_000),
    "a broken stream without a report": (lambda held: held.cut_off(None, 9), 118_000),
    "an invalid call": (lambda held: held.finish(WRONG, billed=False, usage=None), 0),
    "no answer": (lambda held: held.refund(), 0),
    "cancelled while the vendor was processing": (
        lambda held: held.finish(Cancelled("x"), billed=True, usage=None),
        100_000,
    ),
    "several attempts that the vendor bills": (
        lambda held: held.finish(None, billed=True, usage=Usage(output=1), earlier=[Usage(input=3), None]),
        2000 + 3000 + 100_000,
    ),
}


@pytest.mark.parametrize(("end", "nano"), CHARGED.values(), ids=CHARGED)
def test_the_charge_for_each_way_a_call_ends(end: Callable[[Reservation], None], nano: int) -> None:
    desk = Desk(b=budget())
    held = desk.hold()
    assert held.budget_left() is not None
    end(held)
    # The expected input is learned, so the charge is approximate.
    assert sum(desk.charged(held)) == pytest.approx(nano, rel=0.12)


def test_an_answer_of_unstated_length_without_usage_is_charged_as_a_usual_one() -> None:
    desk = Desk(b=budget())
    held = desk.hold(max_output=None)
    held.settle(None)
    assert sum(desk.charged(held)) == pytest.approx(100_000 + 2000 * DEFAULT_OUTPUT, rel=0.01)


def test_the_remaining_amount_is_that_of_the_tightest_budget() -> None:
    desk = Desk(small=budget(), large=budget(per="group", limit_usd=1))
    held = desk.hold()
    left = held.budget_left(Usage(input=100, output=50))
    assert left == 1_000_000 - 200_000
    held.settle(Usage(input=100, output=50))
    assert desk.charged(held) == [200_000, 200_000]


def test_an_exhausted_budget_reports_when_it_resets() -> None:
    desk = Desk(b=budget())
    desk.spend(900_000)
    with pytest.raises(BudgetExceeded, match=r"budget 'b' .* it resets at") as refused:
        desk.hold()
    assert (refused.value.kind, refused.value.retry_after) == ("quota", 12 * 3600)
    headers = refused.value.reply_headers("chat")
    assert headers["x-nexus-budget-remaining-usd"] == "0.0001"
    assert (headers["retry-after"], headers["x-should-retry"]) == ("43200", "false")
    desk.clock.tick(12 * 3600)
    desk.hold()


def test_the_wait_is_short_if_only_calls_in_flight_block_a_call() -> None:
    desk = Desk(b=budget())
    for _ in range(3):
        desk.hold()
    with pytest.raises(BudgetExceeded, match=r"may cost \$[0-9.]+: retry in \d s") as refused:
        desk.hold()
    assert refused.value.kind == "rate_limit" and (refused.value.retry_after or 60) <= 5


def test_a_call_that_can_never_succeed_is_rejected_as_such() -> None:
    with pytest.raises(BudgetExceeded, match=r"may cost \$0\.02 and can never succeed") as refused:
        Desk(b=budget(limit_usd=0.01)).hold(max_output=5100)
    assert refused.value.refused.never


def test_a_model_without_a_price_is_rejected_or_not_counted() -> None:
    denies, allows = Desk(b=budget()), Desk(b=budget(unknown="allow"))
    with pytest.raises(PermissionDenied, match="the price of p/m is unknown"):
        denies.budgets.spending(call(), "p/m", None)
    spending = allows.budgets.spending(call(), "p/m", None)
    assert spending is not None and spending.most(10**6, 10**6) == 0


def test_only_the_listed_models_count() -> None:
    desk = Desk(b=budget(models=["v"]))
    assert desk.budgets.cover("p/m") and not desk.budgets.cover("p/other")


def test_the_log_warns_once_per_period_across_processes(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(b=budget(warn_at=0.5))
    twin = Budgets(desk.settings, LLM, lambda: desk.clock.now / SECOND)
    for nano, count in ((400_000, 0), (200_000, 1), (100_000, 1)):
        desk.spend(nano)
        desk.budgets, twin = twin, desk.budgets
        assert [*caplog.messages].count("a budget is nearly exhausted") == count
    desk.clock.tick(86_400)
    desk.spend(600_000)
    assert [*caplog.messages].count("a budget is nearly exhausted") == 2


def test_a_restart_keeps_the_charges_of_current_periods() -> None:
    desk = Desk(b=budget())
    charges = [
        Charge("b", "key:alice", "2026-11-28", 900_000),
        Charge("b", "key:alice", "2026-11-27", 500_000),
        Charge("gone", "key:alice", "2026-11-28", 5),
    ]
    (restored,) = desk.budgets.spent(charges)
    assert 0 < restored.ago < restored.quota.interval, "the period has begun, and ends after its rest"
    desk.store.restore([restored])
    with pytest.raises(BudgetExceeded, match=r"\$0\.0001 is left"):
        desk.hold()
    desk.hold(made=call(client_id="bob"))


def test_the_remaining_amount_after_a_reservation_larger_than_the_budget() -> None:
    """Before a model's first answer, more may be reserved than the whole budget."""
    desk = Desk(b=budget())
    held = desk.hold(max_output=None, tokens=100)
    assert held.budget_left() == 0
    assert held.budget_left(Usage(input=100)) == 900_000


def test_changing_the_limit_keeps_past_charges() -> None:
    desk = Desk(b=budget())
    desk.spend(900_000)
    desk.budgets = Budgets({"b": budget(limit_usd="0.002")}, LLM, lambda: desk.clock.now / SECOND)
    assert desk.hold().budget_left(Usage()) == 1_100_000


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0], ids=["fewer", "as estimated", "three times as many"])
def test_forty_concurrent_callers_never_exceed_the_budget(factor: float) -> None:
    """Whatever the vendor counts: the reservation covers it, and the unused part is released."""
    desk, numbers = Desk(b=budget(limit_usd="0.1")), random.Random(7)
    running: list[tuple[Reservation, int]] = []
    spent = answered = refused = 0
    while refused < 300:
        tokens, output = numbers.randint(50, 400), numbers.randint(1, 100)
        spending = desk.budgets.spending(call(), "p/m", PRICE)
        estimate = Estimate(tokens)
        ask = LimitedCall(LimitKey("c", None, "p", "m", None, None), lambda: estimate, 100, spending)  # noqa: B023
        try:
            running.append((desk.limits.reserve(ask), round(tokens * factor) * 1000 + output * 2000))
        except BudgetExceeded:
            refused += 1
        while len(running) > numbers.randint(0, 40) or (refused and running and numbers.random() < 0.3):
            held, cost = running.pop(numbers.randrange(len(running)))
            held.settle(Usage(input=(cost - cost % 1000) // 1000 - 20, output=10))
            (charged,) = desk.charged(held)
            spent, answered = spent + charged, answered + 1
    for held, cost in running:
        held.settle(Usage(input=cost // 1000))
        spent += sum(desk.charged(held))
    limit = desk.settings["b"].limit_usd
    assert 0.9 * limit <= spent <= 1.02 * limit and answered > 40 and desk.limits.open == 0

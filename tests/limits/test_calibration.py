"""Calibration of token estimates to vendors' counts: how fast it learns, how exactly, and the effect of one outlier."""

import random
from collections.abc import Callable

import pytest

from nexus.conversation.estimate import Estimate
from nexus.limits.calibration import LARGEST, LEAST_FACTOR, MOST_FACTOR, MOST_OVERHEAD, UNKNOWN, Calibration

Vendor = Callable[[Estimate], float]


def taught(vendor: Vendor, prompts: list[Estimate], known: Calibration = UNKNOWN) -> Calibration:
    for prompt in prompts:
        known = known.after(prompt, round(vendor(prompt)))
    return known


def mixed(count: int, seed: int = 1) -> list[Estimate]:
    """Prompts of ten to five thousand tokens, log-uniform."""
    numbers = random.Random(seed)
    return [Estimate(round(10 ** numbers.uniform(1, 3.7))) for _ in range(count)]


SMALL, LARGE, PICTURE = Estimate(12), Estimate(5000), Estimate(50, 1600)

VENDORS: dict[str, tuple[Vendor, list[Estimate]]] = {
    "a constant overhead": (lambda prompt: 50, [SMALL] * 5),
    "three times as many": (lambda prompt: 3 * prompt.text, [LARGE] * 5),
    "three times as many, of short ones": (lambda prompt: 3 * prompt.text, [SMALL] * 5),
    "a third": (lambda prompt: prompt.text / 3, [LARGE] * 5),
    "as estimated": (lambda prompt: prompt.text, [LARGE] * 5),
    "mixed sizes": (lambda prompt: 1.3 * prompt.text + 30, mixed(20)),
    "mixed sizes, counted less": (lambda prompt: 0.6 * prompt.text + 8, mixed(20)),
    "cheap images among words": (lambda prompt: prompt.text + 85 * (prompt.media > 0), [PICTURE, Estimate(800)] * 5),
    "expensive images": (lambda prompt: prompt.text + 3 * prompt.media, [PICTURE, Estimate(800)] * 5),
}


@pytest.mark.parametrize(("vendor", "prompts"), VENDORS.values(), ids=VENDORS)
def test_estimates_are_close_after_a_few_answers(vendor: Vendor, prompts: list[Estimate]) -> None:
    known = taught(vendor, prompts)
    for prompt in prompts:
        expected, true = known.expect(prompt), vendor(prompt)
        assert abs(expected.guess - true) <= max(4, 0.05 * true)
        assert true <= expected.bound <= max(true + 8, 1.17 * true)


@pytest.mark.parametrize(("vendor", "prompts"), VENDORS.values(), ids=VENDORS)
def test_the_bound_holds_before_any_answer(vendor: Vendor, prompts: list[Estimate]) -> None:
    assert all(vendor(prompt) <= UNKNOWN.expect(prompt).bound for prompt in prompts)
    assert all(UNKNOWN.expect(prompt).guess == prompt.total for prompt in prompts)


def test_prompt_sizes_not_seen_yet_keep_a_wide_bound() -> None:
    """A hundred short prompts narrow the bound of short prompts, but not of long ones."""
    known = taught(lambda prompt: 36, [SMALL] * 100)
    assert known.expect(SMALL).bound <= 42
    assert known.expect(LARGE).bound >= 3 * LARGE.text


def test_short_prompts_do_not_change_the_estimate_of_long_ones() -> None:
    def vendor(prompt: Estimate) -> float:
        return 2 * prompt.text + 20

    known = taught(vendor, [SMALL] * 100, taught(vendor, mixed(20)))
    assert abs(known.expect(LARGE).guess - vendor(LARGE)) <= 0.05 * vendor(LARGE)


def test_a_change_is_learned_within_thirty_answers() -> None:
    more = taught(lambda prompt: 150, [SMALL] * 30, taught(lambda prompt: 50, [SMALL] * 50))
    assert more.expect(SMALL).guess >= 0.9 * 150
    less = taught(lambda prompt: 50, [SMALL] * 30, more)
    assert less.expect(SMALL).guess <= 1.1 * 50


@pytest.mark.parametrize("odd", [100_000, 10**400, 1])
def test_one_outlier_changes_the_estimate_little(odd: int) -> None:
    known = taught(lambda prompt: 50, [SMALL] * 20)
    assert 35 <= known.after(SMALL, odd).expect(SMALL).guess <= 65


def test_an_outlier_as_first_answer_is_soon_forgotten() -> None:
    known = taught(lambda prompt: 50, [SMALL] * 5, UNKNOWN.after(SMALL, 100_000))
    assert known.expect(SMALL).guess <= 60


def test_varying_counts_are_estimated_as_their_mean() -> None:
    numbers = random.Random(3)
    prompts = mixed(400)
    known = taught(lambda prompt: prompt.text * numbers.uniform(0.5, 1.5), prompts)
    assert 0.85 <= sum(known.expect(prompt).guess for prompt in prompts) / sum(prompt.text for prompt in prompts) <= 1.2


def test_absurd_counts_keep_estimates_within_bounds() -> None:
    numbers = random.Random(2)
    known = UNKNOWN
    for _ in range(3000):
        prompt = Estimate(numbers.choice((1, 50, 10**9, 10**400)), numbers.choice((0, 1600, 10**9)))
        known = known.after(prompt, numbers.choice((1, 50, 10**9, 10**400)))
    for prompt in (Estimate(1), Estimate(1000), Estimate(10, 1600), Estimate(LARGEST)):
        expected = known.expect(prompt)
        assert max(1, LEAST_FACTOR * prompt.text) <= expected.guess <= expected.bound
        assert expected.bound <= MOST_FACTOR * prompt.total + MOST_OVERHEAD
    healed = taught(lambda prompt: 50, [SMALL] * 60, known)
    assert 40 <= healed.expect(SMALL).guess <= 60

"""Shared objects are created once for equal settings and closed once, by their last holder."""

from contextlib import ExitStack

import pytest

from nexus.shared import Holder, Shared


class Made:
    """Creates numbered objects and records which were closed."""

    def __init__(self) -> None:
        self.count = 0
        self.closed: list[int] = []

    def __call__(self, stack: ExitStack) -> int:
        self.count += 1
        stack.callback(self.closed.append, self.count)
        return self.count


def test_equal_settings_share_one_and_others_do_not() -> None:
    shared, make = Shared(), Made()
    first, second = Holder(shared), Holder(shared)
    assert first.hold("a", ("x", 1), make) == second.hold("a", ("x", 1), make) == 1
    assert second.hold("a", ("x", 2), make) == 2
    assert second.hold("b", ("x", 1), make) == 3


def test_the_last_holder_closes_it_once() -> None:
    shared, make = Shared(), Made()
    first, second = Holder(shared), Holder(shared)
    first.hold("a", 1, make)
    second.hold("a", 1, make)
    first.close()
    first.close()
    assert make.closed == []
    second.close()
    assert make.closed == [1] and not shared._entries
    assert Holder(shared).hold("a", 1, make) == 2


def test_a_failed_creation_leaves_nothing_behind() -> None:
    shared, make = Shared(), Made()

    def half(stack: ExitStack) -> int:
        make(stack)
        raise ValueError

    with pytest.raises(ValueError):
        Holder(shared).hold("a", 1, half)
    assert make.closed == [1] and not shared._entries

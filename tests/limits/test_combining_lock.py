"""A lock whose holder makes the changes of the threads that would wait for it."""

import threading

import pytest

from nexus.limits.combining_lock import CombiningLock


def test_a_change_does_not_wait_and_the_holder_makes_it() -> None:
    made: list[int] = []
    lock = CombiningLock(made.append, threading.Lock())
    with lock:
        other = threading.Thread(target=lock.change, args=(1,))
        other.start()
        other.join()
        assert made == [], "another thread holds the lock"
    assert made == [1]


def test_a_holder_sees_all_earlier_changes() -> None:
    held, made = threading.Lock(), list[int]()
    lock = CombiningLock(made.append, held)
    held.acquire()
    lock.change(1)
    held.release()
    with lock:
        assert made == [1]


def test_a_change_that_fails_does_not_keep_the_lock(caplog: pytest.LogCaptureFixture) -> None:
    made: list[int] = []
    lock = CombiningLock[int](lambda divisor: made.append(1 // divisor), threading.Lock())
    lock.change(0)
    lock.change(1)
    assert made == [1]
    assert "ZeroDivisionError" in caplog.text

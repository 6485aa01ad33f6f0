"""Concurrent calls, and a system without another thread."""

import threading
from collections.abc import Callable, Iterable


def at_once(calls: Iterable[Callable[[], object]]) -> None:
    """Runs each job on its own thread and waits for all of them."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)


def no_thread(_: threading.Thread) -> None:
    """In place of ``Thread.start``: the system has no thread left."""
    raise RuntimeError("can't start new thread")

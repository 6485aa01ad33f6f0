"""Counts the steps that code takes, to tell linear time from quadratic."""

import sys
from collections.abc import Callable
from typing import Any


def steps(function: Callable[[], object]) -> int:
    """Number of lines of our code that a function runs: a measure that a busy machine cannot distort."""
    count = 0

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count

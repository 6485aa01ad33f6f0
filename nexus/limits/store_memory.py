"""Windows in this process.

Law: any thread; one lock, never held while something waits; time is monotonic. A window that still counts something is
never forgotten. Every decision looks at a few windows in turn and drops those that count nothing any more. When
``max_keys`` windows all still count, whoever needs a further one is refused with 503 until one of them is over;
callers that have a window are served as ever.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from nexus.errors import Overloaded
from nexus.limits.budget import Claim, Granted, Refused
from nexus.limits.window import Window, book, reserve

MAX_KEYS = 100_000
"""At 0.7 kB for a quiet and 2.2 kB for a busy one."""

SWEPT_FOR_NEW = 4
"""Windows looked at for each one that is added, so that dead ones never pile up; one in any other decision."""

SWEPT_WHEN_FULL = 64


def monotonic() -> int:
    """Microseconds."""
    return time.monotonic_ns() // 1000


class MemoryStore:
    blocks = False

    def __init__(self, clock: Callable[[], int] = monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def ping(self) -> None:
        return None

    def reserve(self, claims: Sequence[Claim]) -> Granted | Refused:
        with self._lock:
            now = self._clock()
            windows = self._opened(now, claims)
            decision = reserve(now, claims, windows)
            if isinstance(decision, Granted):
                self._keep(claims, windows)
            return decision

    def book(self, claims: Sequence[Claim]) -> Granted:
        """Takes what somebody else has granted already. Raises Overloaded."""
        with self._lock:
            now = self._clock()
            windows = self._opened(now, claims)
            for window in windows:
                window.advance(now)
            self._keep(claims, windows)
            return book(now, claims, windows)

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        with self._lock:
            now = self._clock()
            for claim, bucket, amount in zip(granted.claims, granted.token.buckets, amounts, strict=True):
                window = self._windows.get(claim.budget.key)
                if window is not None:
                    window.change(now, bucket, amount - claim.amount)
                elif amount > claim.amount and len(self._windows) < self._max_keys:
                    window = self._windows[claim.budget.key] = Window(claim.budget.interval)
                    window.add(now, amount - claim.amount)

    def close(self) -> None:
        return None

    def __len__(self) -> int:
        return len(self._windows)

    def _opened(self, now: int, claims: Sequence[Claim]) -> list[Window]:
        """The windows of the claims; new ones are not kept yet. Raises Overloaded where there is no room for them."""
        self._sweep(now, 1)
        known = [self._windows.get(claim.budget.key) for claim in claims]
        lacking = known.count(None)
        if not lacking:
            return known  # type: ignore[return-value]
        self._sweep(now, SWEPT_FOR_NEW * lacking)
        if len(self._windows) + lacking > self._max_keys:
            self._sweep(now, SWEPT_WHEN_FULL)
            if len(self._windows) + lacking > self._max_keys:
                raise Overloaded("too many callers are being counted", retry_after=1)
        # A window found before may have been swept: it counted nothing, and is kept again if this is granted.
        return [
            Window(claim.budget.interval) if window is None else window
            for claim, window in zip(claims, known, strict=True)
        ]

    def _keep(self, claims: Sequence[Claim], windows: Sequence[Window]) -> None:
        for claim, window in zip(claims, windows, strict=True):
            self._windows.setdefault(claim.budget.key, window)

    def _sweep(self, now: int, count: int) -> None:
        for _ in range(min(count, len(self._windows))):
            key = next(iter(self._windows))
            if self._windows[key].reset(now) == 0:
                del self._windows[key]
            else:
                self._windows.move_to_end(key)

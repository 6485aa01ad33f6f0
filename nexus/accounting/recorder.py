"""Passes finished calls to the in-memory activity: in this process, or in the supervisor for all processes.

On the loop it only appends to a bounded list and schedules a flush elsewhere. When the list is full it drops the oldest
calls.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nexus.accounting.activity import Activity
from nexus.accounting.finished import Finished, finished_calls
from nexus.accounting.record import CallRecord
from nexus.auth.identity import Who
from nexus.processes.hub import Function
from nexus.processes.link import NoResult, SupervisorLink

ROOM = 10_000
"""Maximum number of queued calls."""

BATCH = 500
"""Calls passed on at a time."""

FRESH = 0.5
"""Seconds to cache a view, so that many viewers cost as much as one."""

_ADD = "activity.add"
_VIEW = "activity.view"


class RemoteActivity:
    """The Activity in the supervisor. Any thread but the loop's; methods raise NoResult."""

    def __init__(self, link: SupervisorLink) -> None:
        self._link = link

    def add(self, calls: Sequence[Finished]) -> None:
        self._link.call(_ADD, list(calls))

    def view(self, who: Who | None) -> dict[str, Any]:
        found: dict[str, Any] = self._link.call(_VIEW, who)
        return found


def services(activity: Activity) -> Mapping[str, Function]:
    return {_ADD: activity.add, _VIEW: activity.view}


class Recorder:
    """``later`` is called on the loop when calls are queued and no flush is scheduled: it must call ``flush`` soon, on
    another thread.
    """

    def __init__(self, activity: Activity | RemoteActivity, later: Callable[[], None]) -> None:
        self._activity = activity
        self._later = later
        self._waiting: deque[CallRecord] = deque(maxlen=ROOM)
        self._views: dict[Who | None, dict[str, Any]] = {}
        self._viewed_at = -FRESH
        self._scheduled = False
        self._lock = threading.Lock()
        self.enabled = False
        """Whether anyone can view the activity."""

    def add(self, record: CallRecord) -> None:
        """Queues a call; ignores requests that are not calls."""
        if record.operation is None or not self.enabled:
            return
        self._waiting.append(record)
        if not self._scheduled:
            self._scheduled = True
            self._later()

    def flush(self) -> None:
        """Passes on queued calls. Any thread but the loop's."""
        self._scheduled = False
        with self._lock:
            while batch := self._batch():
                # Without the supervisor, the page has nothing to show.
                with suppress(NoResult):
                    self._activity.add(batch)

    def view(self, who: Who | None) -> dict[str, Any]:
        """The activity up to now or a moment ago. Any thread but the loop's; raises NoResult."""
        self.flush()
        with self._lock:
            now = time.monotonic()
            if now >= self._viewed_at + FRESH:
                self._viewed_at = now
                self._views.clear()
            if who not in self._views:
                self._views[who] = self._activity.view(who)
            return self._views[who]

    def _batch(self) -> list[Finished]:
        count = min(BATCH, len(self._waiting))
        return finished_calls([self._waiting.popleft() for _ in range(count)])

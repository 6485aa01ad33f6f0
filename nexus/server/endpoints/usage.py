"""``/usage/v1``: usage as JSON, for programs and the dashboard.

Read-only. Callers see their own usage; the groups in ``[usage] readers`` see everyone's.

Law: the database is never read on the loop or on the threads that serve calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from nexus.accounting.calls import MOST_CALLS, PageCursor, calls
from nexus.accounting.database import Database, DatabaseError
from nexus.accounting.report import filters_of, since_of, usage
from nexus.accounting.report_options import FILTERS, Filters, check_by
from nexus.accounting.tabulate import as_document
from nexus.auth.identity import sight_of
from nexus.errors import InvalidRequest, Overloaded
from nexus.server.endpoints.base import BaseHandler
from nexus.wire import Json, encode

Read = TypeVar("Read")

LONGEST_VALUE = 256
DEFAULT_SINCE = "24h"


class UsageHandler(BaseHandler):
    """Base of both endpoints; ``parameters`` are the ones accepted in addition to ``since`` and the filters."""

    parameters: frozenset[str] = frozenset()

    async def get(self) -> None:
        query = self.query()
        self._check(query)
        who = sight_of(self.identity, self.runtime.settings.usage.readers)
        only = (*filters_of(who), *((name, value) for name, value in query.items() if name in FILTERS))
        since = self._read("since", query, DEFAULT_SINCE, lambda text: since_of(text, time.time()))
        question = self.question(query, since, only)
        document = await self.server.query_workers.work(lambda: self._answer(question))
        self.set_header("Cache-Control", "no-store")
        self.send(encode(document))

    def question(self, query: Mapping[str, str], since: float, only: Filters) -> Callable[[Database], dict[str, Json]]:
        raise NotImplementedError

    def _check(self, query: Mapping[str, str]) -> None:
        known = {"since", *FILTERS, *self.parameters}
        if unknown := sorted(query.keys() - known):
            raise InvalidRequest(f"{unknown[0][:40]}: unknown parameter; known are {', '.join(sorted(known))}")
        if any(len(value) > LONGEST_VALUE or not value.isprintable() for value in query.values()):
            raise InvalidRequest(f"a parameter has at most {LONGEST_VALUE} printable characters")

    def _read(self, name: str, query: Mapping[str, str], default: str, read: Callable[[str], Read]) -> Read:
        try:
            return read(query.get(name) or default)
        except (ValueError, OverflowError) as error:
            raise InvalidRequest.about(name, f"{error}") from None

    def _answer(self, question: Callable[[Database], dict[str, Json]]) -> dict[str, Json]:
        """Reads the database; not on the loop. Raises NotFound and Overloaded."""
        try:
            with self.server.books.reading() as database:
                return question(database)
        except DatabaseError as error:
            raise Overloaded("usage is temporarily unavailable; retry in a moment", retry_after=5) from error


class ReportHandler(UsageHandler):
    """``GET /usage/v1/report?by=model&since=7d``: totals."""

    parameters = frozenset({"by"})

    def question(self, query: Mapping[str, str], since: float, only: Filters) -> Callable[[Database], dict[str, Json]]:
        by = self._read("by", query, "model", check_by)
        return lambda database: as_document(usage(database, by=by, since=since, now=time.time(), only=only))


class CallsHandler(UsageHandler):
    """``GET /usage/v1/calls?since=24h``: calls with their attempts, newest first."""

    parameters = frozenset({"limit", "behind"})

    def question(self, query: Mapping[str, str], since: float, only: Filters) -> Callable[[Database], dict[str, Json]]:
        most = self._read("limit", query, "50", _limit)
        behind = self._read("behind", query, "", PageCursor.read) if query.get("behind") else None
        return lambda database: calls(database, since=since, only=only, behind=behind, most=most)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= MOST_CALLS:
        raise ValueError(f"expected a whole number from 1 to {MOST_CALLS}")
    return int(text)

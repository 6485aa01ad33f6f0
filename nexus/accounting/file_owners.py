"""The owners of files and batches that vendors hold, stored in the usage database, so that they outlive a process.

Any thread but the loop's. The state in a row is what the vendor last reported of the object.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from nexus.accounting.database import Database, DatabaseError, ResultRow, Transaction, Value, migrate
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import Overloaded
from nexus.wire import Json, decode_object

log = logging.getLogger("nexus.usage")

AT_ONCE = 500
LONGEST_STATE = 64 * 1024
"""Maximum size in bytes of an object's state to store; larger ones are requested from the vendor each time."""

_COLUMNS = (
    "provider, object_id, kind, owner, keeper, purpose, parent, made_seconds, state, models, booked_lines, used_seconds"
)


@dataclass(frozen=True, slots=True)
class Owned:
    """One file or batch. ``keeper`` is the account at the vendor, ``parent`` the batch that created a file. ``models``
    maps each vendor's model id in a batch to its owner's name for it and the alias."""

    provider: str
    id: str
    kind: str
    owner: str
    keeper: str
    purpose: str = ""
    parent: str = ""
    made: float = 0.0
    state: Mapping[str, Json] = field(default_factory=dict, repr=False)
    models: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class FileOwners:
    """Methods raise Overloaded if the database is unavailable, or None."""

    def __init__(self, database: Database | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._database = database
        self._is_ready = False

    def add(self, owned: Owned) -> None:
        now = self._clock()
        row = (*_key(owned), owned.kind, owned.owner, owned.keeper, owned.purpose, owned.parent, owned.made or now)
        values: tuple[Value, ...] = (*row, _state(owned.state), json.dumps(owned.models), 0, now)
        with self._transaction() as transaction:
            transaction.run(
                f"INSERT INTO holdings ({_COLUMNS}) VALUES ({', '.join('?' * len(values))}) ON CONFLICT DO NOTHING",
                values,
            )

    def find(self, ids: Sequence[str]) -> list[Owned]:
        """All objects with these ids, of any owner: two providers may use the same id."""
        found: list[ResultRow] = []
        with self._transaction(write=False) as transaction:
            for start in range(0, len(ids), AT_ONCE):
                some = ids[start : start + AT_ONCE]
                marks = ", ".join("?" * len(some))
                found += transaction.query(f"SELECT {_COLUMNS} FROM holdings WHERE object_id IN ({marks})", some)
        return [_read(row) for row in found]

    def page(
        self,
        provider: str,
        kind: str,
        owner: str | None,
        *,
        behind: Owned | None,
        most: int,
        ascending: bool = False,
        purpose: str = "",
    ) -> list[Owned]:
        """Objects by creation time, newest first unless ``ascending``; ``owner`` None means anyone."""
        conditions = ["provider = ?", "kind = ?"]
        wanted: list[Value] = [provider, kind]
        for column, value in (("owner", owner), ("purpose", purpose or None)):
            if value is not None:
                conditions.append(f"{column} = ?")
                wanted.append(value)
        if behind is not None:
            sign = ">" if ascending else "<"
            conditions.append(f"(made_seconds {sign} ? OR (made_seconds = ? AND object_id {sign} ?))")
            wanted += [behind.made, behind.made, behind.id]
        order = "ASC" if ascending else "DESC"
        with self._transaction(write=False) as transaction:
            rows = transaction.query(
                f"SELECT {_COLUMNS} FROM holdings WHERE {' AND '.join(conditions)} "
                f"ORDER BY made_seconds {order}, object_id {order} LIMIT {most}",
                wanted,
            )
        return [_read(row) for row in rows]

    def note(self, owned: Owned, state: Mapping[str, Json]) -> Owned:
        """Stores what the vendor now reports of an object; returns the updated object."""
        if state == owned.state:
            return owned
        with self._transaction() as transaction:
            transaction.run(
                "UPDATE holdings SET state = ?, used_seconds = ? WHERE provider = ? AND object_id = ?",
                (_state(state), self._clock(), *_key(owned)),
            )
        return replace(owned, state=state)

    def forget(self, owned: Owned) -> None:
        with self._transaction() as transaction:
            transaction.run("DELETE FROM holdings WHERE provider = ? AND object_id = ?", _key(owned))

    def claim(self, owned: Owned, lines: int, record: Callable[[Transaction, int], None]) -> None:
        """Marks the first ``lines`` lines of its results as charged. ``record`` is called with how many already were,
        if any is new, and writes the usage of the others in the same transaction: so a killed process loses nothing,
        and of concurrent readers each records only lines that no other has recorded."""
        while True:
            with self._transaction() as transaction:
                rows = transaction.query(
                    "SELECT booked_lines FROM holdings WHERE provider = ? AND object_id = ?", _key(owned)
                )
                booked = int(rows[0][0]) if rows else lines
                if booked >= lines:
                    return
                if transaction.run(
                    "UPDATE holdings SET booked_lines = ?, used_seconds = ? "
                    "WHERE provider = ? AND object_id = ? AND booked_lines = ?",
                    (lines, self._clock(), *_key(owned), booked),
                ):
                    record(transaction, booked)
                    return

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        database = self._database
        if database is None:
            raise Overloaded("files and batches need a usage store: usage.store is none", retry_after=60)
        try:
            if not self._is_ready:
                migrate(database)
                self._is_ready = True
            with database.transaction(write=write) as transaction:
                yield transaction
        except DatabaseError as error:
            self._is_ready = False
            log.error("cannot look up the owners of files and batches", extra={"fields": {"why": str(error)}})
            raise Overloaded(
                "the owners of files and batches are temporarily unavailable; retry in a moment", retry_after=5
            ) from error


def _key(owned: Owned) -> tuple[str, str]:
    return owned.provider, owned.id


def _state(state: Mapping[str, Json]) -> str:
    text = json.dumps(state)
    return text if len(text) <= LONGEST_STATE else "{}"


def _read(row: ResultRow) -> Owned:
    provider, id, kind, owner, keeper, purpose, parent, made, state, models, _, _ = row
    known = {model: (str(name), str(alias)) for model, (name, alias) in decode_object(models).items()}
    return Owned(provider, id, kind, owner, keeper, purpose, parent, float(made), decode_object(state), known)

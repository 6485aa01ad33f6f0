"""Files and batches that a vendor holds: edits its answers about them for the client, and reads usage from results.

Long answers pass line by line. Every line of results is read, because whoever downloads it is charged for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.accounting.holdings import Held
from nexus.conversation.usage import Usage, parts_of
from nexus.dataclasses import dataclass, replace
from nexus.errors import VendorError
from nexus.protocols.answer_relay import Opaque, Tap
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.edit import find, replace_string
from nexus.protocols.loader import DIALECTS
from nexus.relay.answer import OpenedReply, own_answer
from nexus.relay.call_state import Attempt
from nexus.relay.candidate import Candidate
from nexus.relay.held_state import BatchCost, HeldState, Used, model_name_of
from nexus.relay.lanes import Lane, request_for
from nexus.wire import Json, decode, decode_object, encode, mapping, text

MOST_ASKED = 100
"""Maximum number of objects of one list page to request from the vendor."""

LONGEST_LINE = 32 * 1024 * 1024
"""Maximum size in bytes of a line to read: longer results pass unread, longer requests are rejected."""


def choose_held(attempt: Attempt) -> Lane:
    """The lane of one object or its content."""
    held = state_of(attempt)
    held.lines.clear()
    request = request_for(attempt, held.body)
    return Lane(replace(request, path=held.ask.path, upload=held.upload), _relay(attempt, held), translates=False)


def _relay(attempt: Attempt, held: HeldState) -> AnswerRelay:
    if held.ask.verb != "content":
        return Object(attempt, held, held.held)
    if held.results is not None:
        return Lines(attempt.tap, held, _Results(held))
    if held.held is not None and held.held.models and held.codec.request_path:
        return Lines(attempt.tap, held, _Requests(held))
    return Opaque(attempt.tap)


def state_of(attempt: Attempt) -> HeldState:
    held = attempt.state.held
    if held is None:
        raise RuntimeError("the call is not about files or batches")
    return held


class Object(AnswerRelay):
    """A vendor's answer about an object: recorded, with its links and names corrected."""

    def __init__(self, attempt: Attempt, state: HeldState, held: Held | None) -> None:
        super().__init__(attempt.tap)
        self._keeper = attempt.candidate.keeper
        self._provider = attempt.route.provider.name
        self._state = state
        self._held = held

    def body(self, raw: bytes) -> bytes:
        document = mapping(decode(raw))
        self.complete = True
        if self._state.ask.verb == "delete" and self._held is not None:
            self._state.holdings.forget(self._held)
            return raw
        self._state.learn(self._keeper, self._provider, document, self._held)
        models = self._state.models if self._held is None else self._held.models
        return self._state.shown(raw, document, models)


class Lines(AnswerRelay):
    """Lines of JSON, each edited as it passes."""

    piecewise = True
    opaque = True

    def __init__(self, tap: Tap, state: HeldState, edit: Callable[[bytes, Mapping[str, Json]], bytes]) -> None:
        super().__init__(tap)
        self._edit = edit
        self._rest: list[bytes] = []
        self._size = 0

    def body(self, raw: bytes) -> bytes:
        return self.piece(raw) + self.finish()

    def piece(self, piece: bytes) -> bytes:
        end = piece.rfind(b"\n") + 1
        if not end:
            self._rest.append(piece)
            self._size += len(piece)
            return b"" if self._size <= LONGEST_LINE else self._taken()
        whole = self._taken() + piece[:end]
        if end < len(piece):
            self._rest, self._size = [piece[end:]], len(piece) - end
        return b"".join(self._line(line) + b"\n" for line in whole[:-1].split(b"\n"))

    def finish(self) -> bytes:
        return self._line(self._taken())

    def _taken(self) -> bytes:
        rest = b"".join(self._rest)
        self._rest, self._size = [], 0
        return rest

    def _line(self, line: bytes) -> bytes:
        return self._edit(line, decode_object(line)) if line.strip() else line


MOST_LINES = 100_000
"""Maximum number of result lines to read: no batch has more requests; further lines pass unread."""


@dataclass(frozen=True, slots=True)
class _Results:
    """Restores the client's model names, and reads the usage of each answer."""

    state: HeldState

    def __call__(self, line: bytes, document: Mapping[str, Json]) -> bytes:
        state, path = self.state, self.state.codec.answer_path
        answer: Json = document
        for name in path:
            answer = mapping(answer).get(name)
        held = state.results
        spans = find(line, path) if mapping(answer) and held is not None else []
        if not spans or held is None or len(state.lines) >= MOST_LINES:
            if len(state.lines) < MOST_LINES:
                state.lines.append(None)
            return line
        (start, end), tap = spans[-1], Tap()
        model = text(answer.get("model"))
        known = model_name_of(held.models, model)
        try:
            edited = self._relay(answer, model if known is None else known[0], tap).body(line[start:end])
        except (VendorError, ValueError):
            edited = line[start:end]
        state.lines.append(_used(tap.usage, model, None if known is None else known[1], state.cost))
        return line[:start] + edited + line[end:]

    def _relay(self, answer: Mapping[str, Json], name: str, tap: Tap) -> AnswerRelay:
        dialect = self.state.codec.dialect_of(answer)
        passing = DIALECTS[dialect or "chat"].passing
        return passing.passthrough({}, name, tap) if dialect else passing.passed({}, tap)


def _used(usage: Usage | None, model: str, alias: str | None, cost: BatchCost) -> Used | None:
    if usage is None or not usage.total:
        return None
    # The price already is that of a batch.
    untiered = replace(usage, service_tier="")
    price = None if alias is None else cost(alias, untiered)
    return Used(alias, model, parts_of(usage), price)


@dataclass(frozen=True, slots=True)
class _Requests:
    """Restores the client's model names in a file that it uploaded."""

    state: HeldState

    def __call__(self, line: bytes, document: Mapping[str, Json]) -> bytes:
        held, path = self.state.held, self.state.codec.request_path
        body: Json = document
        for name in path:
            body = mapping(body).get(name)
        known = None if held is None else held.models.get(text(mapping(body).get("model")))
        return line if known is None else replace_string(line, (*path, "model"), known[0])


# Lists are written from our own records; objects that may have changed are fetched from the vendor.


def changed(held: HeldState, now: float) -> list[Held]:
    """The objects of a page whose state may have changed at the vendor. Shortens the page if there are too many."""
    found: list[Held] = []
    for index, row in enumerate(held.rows):
        if held.codec.is_final(held.ask.kind, row.state, now):
            continue
        if len(found) == MOST_ASKED:
            held.rows, held.more = held.rows[:index], True
            break
        found.append(row)
    return found


def candidate_of(held: HeldState, row: Held) -> Candidate | None:
    """The candidate that has an object of a list; None if its key is no longer configured."""
    return next((one for one in held.candidates if one.keeper == row.keeper), None)


def choose_listed(row: Held, attempt: Attempt) -> Lane:
    held = state_of(attempt)
    path = f"{held.codec.roots[held.ask.kind]}/{row.id}"
    # The query is about the list.
    request = replace(request_for(attempt, b""), path=path, query="")
    return Lane(request, Listed(attempt, held, row), translates=False)


class Listed(Object):
    def body(self, raw: bytes) -> bytes:
        document = mapping(decode(raw))
        assert self._held is not None
        self._state.learn(self._keeper, self._provider, document, self._held)
        rows = self._state.rows
        rows[rows.index(self._held)] = replace(self._held, state=document)
        self.complete = True
        return b""


def write_list(held: HeldState, provider: str) -> OpenedReply:
    shown = [decode(held.shown(encode(row.state), row.state, row.models)) for row in held.rows if row.state]
    body = encode(held.codec.write_list(held.ask.kind, shown, more=held.more))
    return own_answer(provider, body)

"""Files and batches that a vendor stores: edits its answers about them for the client, and reads usage from results.

Long answers pass line by line. Every line of results is read, because whoever downloads it is charged for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.accounting.file_owners import Owned
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
from nexus.relay.file_call import BatchCost, FileCall, Used, model_name_of
from nexus.relay.lanes import Lane, request_for
from nexus.wire import Json, decode, decode_object, encode, mapping, text

MOST_ASKED = 100
"""Maximum number of objects of one list page to request from the vendor."""

LONGEST_LINE = 32 * 1024 * 1024
"""Maximum size in bytes of a line to read: longer results pass unread, longer requests are rejected."""


def choose_file(attempt: Attempt) -> Lane:
    file_call = file_call_of(attempt)
    file_call.lines.clear()
    request = request_for(attempt, file_call.body)
    request = replace(request, path=file_call.request.path, upload=file_call.upload)
    return Lane(request, _relay(attempt, file_call), translates=False)


def _relay(attempt: Attempt, file_call: FileCall) -> AnswerRelay:
    if file_call.request.verb != "content":
        return Object(attempt, file_call, file_call.object)
    if file_call.results is not None:
        return Lines(attempt.tap, _Results(file_call))
    if file_call.object is not None and file_call.object.models and file_call.codec.request_path:
        return Lines(attempt.tap, _Requests(file_call))
    return Opaque(attempt.tap)


def file_call_of(attempt: Attempt) -> FileCall:
    file_call = attempt.state.file_call
    assert file_call is not None, "the call is about files or batches"
    return file_call


class Object(AnswerRelay):
    """A vendor's answer about an object: recorded, with its links and names corrected."""

    def __init__(self, attempt: Attempt, file_call: FileCall, owned: Owned | None) -> None:
        super().__init__(attempt.tap)
        self._keeper = attempt.candidate.keeper
        self._provider = attempt.route.provider.name
        self._file_call = file_call
        self._owned = owned

    def body(self, raw: bytes) -> bytes:
        document = mapping(decode(raw))
        self.complete = True
        if self._file_call.request.verb == "delete" and self._owned is not None:
            self._file_call.owners.forget(self._owned)
            return raw
        self._file_call.learn(self._keeper, self._provider, document, self._owned)
        models = self._file_call.models if self._owned is None else self._owned.models
        return self._file_call.shown(raw, document, models)


class Lines(Opaque):
    """Lines of JSON, each edited as it passes."""

    def __init__(self, tap: Tap, edit: Callable[[bytes, Mapping[str, Json]], bytes]) -> None:
        super().__init__(tap)
        self._edit = edit
        self._rest: list[bytes] = []
        self._size = 0

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

    file_call: FileCall

    def __call__(self, line: bytes, document: Mapping[str, Json]) -> bytes:
        file_call, path = self.file_call, self.file_call.codec.answer_path
        answer: Json = document
        for name in path:
            answer = mapping(answer).get(name)
        owned = file_call.results
        spans = find(line, path) if mapping(answer) and owned is not None else []
        if not spans or owned is None or len(file_call.lines) >= MOST_LINES:
            if len(file_call.lines) < MOST_LINES:
                file_call.lines.append(None)
            return line
        (start, end), tap = spans[-1], Tap()
        model = text(answer.get("model"))
        known = model_name_of(owned.models, model)
        try:
            edited = self._relay(answer, model if known is None else known[0], tap).body(line[start:end])
        except (VendorError, ValueError):
            edited = line[start:end]
        file_call.lines.append(_used(tap.usage, model, None if known is None else known[1], file_call.cost))
        return line[:start] + edited + line[end:]

    def _relay(self, answer: Mapping[str, Json], name: str, tap: Tap) -> AnswerRelay:
        dialect = self.file_call.codec.dialect_of(answer)
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

    file_call: FileCall

    def __call__(self, line: bytes, document: Mapping[str, Json]) -> bytes:
        owned, path = self.file_call.object, self.file_call.codec.request_path
        body: Json = document
        for name in path:
            body = mapping(body).get(name)
        known = None if owned is None else owned.models.get(text(mapping(body).get("model")))
        return line if known is None else replace_string(line, (*path, "model"), known[0])


# Lists are written from our own records; objects that may have changed are fetched from the vendor.


def changed(file_call: FileCall, now: float) -> list[Owned]:
    """The objects of a page whose state may have changed at the vendor. Shortens the page if there are too many."""
    found: list[Owned] = []
    for index, row in enumerate(file_call.rows):
        if file_call.codec.is_final(file_call.request.kind, row.state, now):
            continue
        if len(found) == MOST_ASKED:
            file_call.rows, file_call.more = file_call.rows[:index], True
            break
        found.append(row)
    return found


def candidate_of(file_call: FileCall, row: Owned) -> Candidate | None:
    """The candidate that has an object of a list; None if its key is no longer configured."""
    return next((one for one in file_call.candidates if one.keeper == row.keeper), None)


def choose_listed(row: Owned, attempt: Attempt) -> Lane:
    file_call = file_call_of(attempt)
    path = f"{file_call.codec.roots[file_call.request.kind]}/{row.id}"
    # The query is about the list.
    request = replace(request_for(attempt, b""), path=path, query="")
    return Lane(request, Listed(attempt, file_call, row), translates=False)


class Listed(Object):
    def body(self, raw: bytes) -> bytes:
        document = mapping(decode(raw))
        assert self._owned is not None
        self._file_call.learn(self._keeper, self._provider, document, self._owned)
        rows = self._file_call.rows
        rows[rows.index(self._owned)] = replace(self._owned, state=document)
        self.complete = True
        return b""


def write_list(file_call: FileCall, provider: str) -> OpenedReply:
    shown = [decode(file_call.shown(encode(row.state), row.state, row.models)) for row in file_call.rows if row.state]
    body = encode(file_call.codec.write_list(file_call.request.kind, shown, more=file_call.more))
    return own_answer(provider, body)

"""What the gateway asks of a dialect that clients may speak.

Pure and sans I/O. A dialect knows its own wire format and no vendor, no thread and no other dialect. What only calls
need it imports with the first one: most dialects are called by nobody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from nexus.conversation.tap import Tap
from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest, NexusError
from nexus.errors.failure import VendorFailure
from nexus.protocols.codec import Target
from nexus.protocols.edit import replace_member
from nexus.protocols.embeddings.shapes import EmbeddingsCodec
from nexus.protocols.framing import SSE, Framing
from nexus.protocols.held import HeldCodec
from nexus.protocols.operation import Operation
from nexus.protocols.protocol import Protocol
from nexus.protocols.sse import Frame
from nexus.protocols.uploaded import uploaded
from nexus.wire import Json


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One line of a model list; ``created`` in Unix seconds. ``context`` are the tokens that it takes, None where that
    is not known, ``efforts`` the levels of thinking that can be asked for, least first."""

    id: str
    owner: str
    created: int
    display_name: str | None = None
    description: str | None = None
    context: int | None = None
    efforts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """A client's own bytes as they go to a vendor of its dialect; ``dropped`` names what only another vendor knew."""

    body: bytes
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the words of its dialect. ``document`` is ``body`` decoded, and says what the client said elsewhere:
    the model in the path, a stream in the verb. ``headers`` have lower-case names. ``place`` is what else the path
    names, for the log."""

    body: bytes
    document: Mapping[str, Json]
    headers: Mapping[str, str]
    query: str
    dialect: str
    place: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenStream:
    """The stream that an error ends: whose it is, and whether it had an event of an answer; ``now`` in Unix seconds."""

    request_id: str
    model: str
    headers: Mapping[str, str]
    now: int
    begun: bool


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One of the gateway's limits at one moment: ``reset`` in seconds until nothing counts against it any more."""

    dimension: Literal["input_tokens", "output_tokens", "requests"]
    limit: int
    remaining: int
    reset: float


def tightest(limits: Sequence[RateLimit]) -> RateLimit:
    """The one of which the smallest share is left."""
    return min(limits, key=lambda limit: limit.remaining / limit.limit)


class AnswerRelay(ABC):
    """Turns a vendor's answer, whole or frame by frame, into what the client reads; a tap reads along.

    ``begun`` says that the model is at work, thinking at least; ``content`` that the first of what the answer consists
    of went by, behind which no other attempt can answer; ``complete`` that the answer's terminal event did; ``ended``
    that nothing of value can follow, though the terminator did not come yet; ``cut`` that the answer was ended here,
    and the vendor still writes. ``failure`` is the error that the vendor tells in an answer that passes as it is.
    ``content_type`` is None where the vendor's own holds.
    """

    content_type: str | None = None
    piecewise: ClassVar[bool] = False
    """Whether a whole answer may pass before its end: a long one, or one that is no JSON."""

    opaque: ClassVar[bool] = False
    """Whether nothing of an answer is read, streams of events among them."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.begun = False
        self.content = False
        self.failure: VendorFailure | None = None
        self.complete = False
        self.ended = False
        self.unread = False
        self.cut = False

    @abstractmethod
    def body(self, raw: bytes) -> bytes:
        """A whole answer. Raises VendorError for an error in its place; ValueError when it cannot be read but must
        be."""

    def frame(self, frame: Frame) -> bytes:
        """One event of a stream; b"" when there is nothing in it for the client. Raises ValueError for garbage, and
        VendorError for an error that the client could not read as it is."""
        raise ValueError("this answer is no stream")

    def piece(self, piece: bytes) -> bytes:
        """What the client gets of a piece of a whole answer that passes before its end."""
        return piece

    def finish(self) -> bytes:
        """What is still due at the end of the vendor's bytes."""
        return b""


class Dialect(ABC):
    """What clients speak; or a format, which is a dialect behind other paths, frames and errors."""

    name: ClassVar[str]
    format: ClassVar[str] = ""
    """The format's own name; "" where there is none but the dialect."""

    protocol: ClassVar[Protocol]
    any_id: ClassVar[bool] = False
    """Whether its clients may call a Claude by the id that any host has for it: they know one host's ids alone."""

    framing: ClassVar[Framing] = SSE
    """How its streams are framed, events of which ``keepalive`` and ``error_frame`` write too."""

    def framing_of(self, query: str) -> Framing:
        """How one is framed that was asked for with this query."""
        return self.framing

    def check_query(self, query: str) -> None:  # noqa: B027 - most have nothing to refuse
        """Raises InvalidRequest for what must not stand in a URL; before anybody is asked who he is."""

    takes_any_type: ClassVar[bool] = False
    """Whether a body may come under any content type, since its clients name the type of something else."""

    passes_errors: ClassVar[bool] = True
    """Whether its clients read an error body of the dialect as a vendor wrote it."""

    @property
    def form(self) -> str:
        """What it is known by among all forms in which clients speak."""
        return self.format or self.name

    def open(self, operation: Operation, path: str, asked: Asked) -> Asked:
        """What is asked in the words of the dialect; ``path`` is the operation's own. Raises InvalidRequest."""
        return asked

    operations: ClassVar[tuple[Operation, ...]]
    """What clients can ask for; first an answer. The first one whose path, after the protocol's version, fits is the
    one that is asked for."""

    def write_compacted(self, document: Mapping[str, Json], answer: Mapping[str, Json]) -> dict[str, Json] | None:
        """The reply to an operation that compacts, made of an answer with a summary; None where it has none."""
        raise NotImplementedError

    def kept_id(self, path: str) -> str | None:
        """The id of the stored answer that a path is about, where the gateway itself may keep it."""
        return None

    def vendor_ids(self, path: str, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """The ids of what a vendor keeps that a request names, each with its field; "" for the path."""
        return []

    def sealed_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """Names of what a request brings back that only the account can open which made it, each with its field."""
        return []

    def uploaded_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """The ids of files that a request names, each with its field."""
        return list(uploaded(document))

    def read_kept(self, record: Mapping[str, Json], method: str, path: str) -> dict[str, Json]:
        """The reply about an answer that the gateway keeps. Raises ClientError for what cannot be done with it."""
        raise NotImplementedError

    ping: ClassVar[bytes]
    """What the gateway sends into a silent stream; a comment line in it tells it from a vendor's ping.

    A comment alone ends with one line end: some SDKs take a blank line for the end of an event without data.
    """

    id_header: ClassVar[str]
    """The reply header in which this dialect's SDK looks for the request id."""

    @abstractmethod
    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        """The few fields that routing needs beyond ``model`` and ``stream``. Raises InvalidRequest."""

    @abstractmethod
    def edit_request(
        self, raw: bytes, document: Mapping[str, Json], model: str, *, ask_usage: bool, target: Target | None = None
    ) -> Edited:
        """The request's own bytes with ``model`` in place of the original model.

        Thinking of another vendor, which a client brings back in our tags, is taken out: no other vendor can read it.
        Ids of tool calls that the target is known to refuse, since another vendor made them, get a form that it takes.
        """

    def has_others_words(self, document: Mapping[str, Json], target: Target) -> bool:
        """Whether the target is known to refuse a field, or its value, that other models of this dialect take, and that
        a translation would say otherwise."""
        return False

    @abstractmethod
    def passthrough(self, document: Mapping[str, Json], model: str, tap: Tap) -> AnswerRelay:
        """Relays the answer to the request ``document``, with ``model`` as the client wrote it."""

    def stored(self) -> AnswerRelay:
        """Relays what a vendor keeps, untouched."""
        raise NotImplementedError

    def passed(self, document: Mapping[str, Json], tap: Tap) -> AnswerRelay:
        """Relays the answer of an endpoint that passes, untouched."""
        raise NotImplementedError

    held: ClassVar[HeldCodec | None] = None
    """What it has of files and batches."""

    embeddings: ClassVar[EmbeddingsCodec | None] = None
    """What it has of embeddings."""

    def edit_passed(self, raw: bytes, document: Mapping[str, Json], model: str) -> bytes:
        """The request's own bytes to an endpoint that passes, with the vendor's name of the model."""
        return replace_member(raw, document, "model", model)

    id_prefix: ClassVar[str]
    """What ids of answers begin with."""

    @abstractmethod
    def write_error(self, error: NexusError, request_id: str) -> bytes:
        """The body of an error reply."""

    def error_headers(self, error: NexusError) -> dict[str, str]:
        """What an error reply says in headers of this dialect."""
        return {}

    @abstractmethod
    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        """What ends a broken stream."""

    def keepalive(self, headers: Mapping[str, str], events: int) -> bytes:
        """What fills the silence of a stream of so many events, for the client with these headers."""
        return self.ping

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        """The gateway's limits in the headers that this dialect's SDKs read; ``now`` in Unix seconds."""
        return {}

    def write_count(self, tokens: int) -> dict[str, Json]:
        """The answer to a request to count."""
        return {"input_tokens": tokens}

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        raise NotImplementedError

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """A model list, paged as ``query`` asks. Raises InvalidRequest."""
        raise NotImplementedError


def require(document: Mapping[str, Json], field: str, kind: type | tuple[type, ...], expected: str) -> None:
    """Raises InvalidRequest unless ``field`` is there and of ``kind``."""
    if field not in document:
        raise InvalidRequest.about(field, "field required")
    value = document[field]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidRequest.about(field, f"expected {expected}")

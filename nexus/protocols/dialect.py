"""The interface of a dialect that clients speak.

Pure, without I/O. A dialect knows its own wire format and no vendor, thread or other dialect. Imports that only calls
need happen with the first call, because most dialects are never called.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import ClassVar, Literal

from nexus.dataclasses import dataclass
from nexus.errors import NexusError, UpstreamStatus
from nexus.protocols.answer_relay import AnswerRelay as AnswerRelay
from nexus.protocols.answer_relay import Tap
from nexus.protocols.codec import Target
from nexus.protocols.edit import replace_member
from nexus.protocols.embeddings import EmbeddingsCodec
from nexus.protocols.files import FilesCodec
from nexus.protocols.framing import SSE, Framing
from nexus.protocols.operation import Operation
from nexus.protocols.protocol import Protocol
from nexus.protocols.rewrite import Edited
from nexus.protocols.sse import frame
from nexus.wire import Json, decode_object, encode, mapping, sequence, text


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One entry of a model list; ``created`` in Unix seconds. ``context`` is the context window in tokens, None if
    unknown, ``efforts`` the supported levels of thinking, lowest first."""

    id: str
    owner: str
    created: int
    display_name: str | None = None
    description: str | None = None
    context: int | None = None
    efforts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A request in the form of its dialect. ``document`` is ``body`` decoded, plus what the client said elsewhere: the
    model in the path, a stream in the method name. ``headers`` have lower-case names. ``place`` is the rest of what the
    path names, for the log."""

    body: bytes
    document: Mapping[str, Json]
    headers: Mapping[str, str]
    query: str
    dialect: str
    place: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenStream:
    """The stream that an error ends: its identity, and whether it had an event of an answer; ``now`` in Unix
    seconds; ``answer_id`` is the vendor's id of an answer that passes through, if its dialect has one."""

    request_id: str
    model: str
    headers: Mapping[str, str]
    now: int
    begun: bool
    answer_id: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One of the gateway's limits at one moment: ``reset`` is the time in seconds until nothing counts against it."""

    dimension: Literal["input_tokens", "output_tokens", "requests"]
    limit: int
    remaining: int
    reset: float


def tightest(limits: Sequence[RateLimit]) -> RateLimit:
    """The limit with the smallest remaining share."""
    return min(limits, key=lambda limit: limit.remaining / limit.limit)


def _unsupported(*_: object) -> AnswerRelay:
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Passing:
    """How requests and answers pass between clients and vendors of one dialect. ``passthrough.py`` in its folder
    exports ``PASSING``."""

    edit_request: Callable[[bytes, Mapping[str, Json], Target], Edited]
    """The request's own bytes, given with the decoded document, with the target's name of the model.

    Another vendor's thinking, which a client sends back in our tags, is removed, because no other vendor can read it.
    Tool call ids from another vendor that the target is known to reject are replaced by ids that it accepts.
    """

    passthrough: Callable[[Mapping[str, Json], str, Tap], AnswerRelay]
    """Relays the answer to the request, with the model's name as the client wrote it."""

    passed: Callable[[Mapping[str, Json], Tap], AnswerRelay] = _unsupported
    """Relays the answer of a passthrough endpoint unchanged."""

    stored: Callable[[Tap], AnswerRelay] = _unsupported
    """Relays stored objects unchanged."""


class Dialect(ABC):
    """A dialect that clients speak; or a format, which is one with other paths, frames and errors."""

    name: ClassVar[str]
    format: ClassVar[str] = ""
    """The format's own name; "" for the dialect itself."""

    protocol: ClassVar[Protocol]
    any_id: ClassVar[bool] = False
    """Whether its clients may call a Claude model by the id that any host uses: they know only one host's ids."""

    framing: ClassVar[Framing] = SSE
    """Framing of its streams; ``keepalive`` and ``error_frame`` also write its events."""

    def framing_of(self, query: str) -> Framing:
        return self.framing

    def check_query(self, query: str) -> None:  # noqa: B027 - most have nothing to refuse
        """Raises InvalidRequest for parameters that must not be in a URL; called before authentication."""

    takes_any_type: ClassVar[bool] = False
    """Whether any content type is accepted for a body, because its clients send the type of something else."""

    passes_errors: ClassVar[bool] = True
    """Whether its clients can read an error body of the dialect as the vendor wrote it."""

    @property
    def form(self) -> str:
        """Its unique name among all dialects and formats."""
        return self.format or self.name

    def open(self, operation: Operation, path: str, request: ClientRequest) -> ClientRequest:
        """The request in the form of the dialect; ``path`` is the operation's own. Raises InvalidRequest."""
        return request

    operations: ClassVar[tuple[Operation, ...]]
    """What clients can request; the first is an answer. The first operation whose path, after the protocol's version,
    matches is used."""

    def kept_id(self, path: str) -> str | None:
        """The id in a path of a stored answer that the gateway itself may have stored."""
        return None

    has_vendor_ids: ClassVar[bool] = False
    """Whether ``vendor_ids`` may find any."""

    def vendor_ids(self, path: str, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """The ids in a request of objects stored at a vendor, each with its field; "" for the path."""
        return []

    def answer_of(self, id: str) -> str:
        """The id of the answer that an id in a request is, or is part of, if the gateway itself stores it."""
        return id

    def sealed_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """Encrypted parts of a request that only the account that created them can read, each with its field."""
        return []

    def uploaded_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """The ids of files in a request, each with its field."""
        return list(uploaded(document))

    stored_fields: ClassVar[tuple[str, ...]] = ()
    """Members of a request that name something else that a vendor stores."""

    def names_stored(self, path: str, document: Mapping[str, Json]) -> bool:
        """Whether a request names anything that a vendor stores, so that it may not exist or be another account's."""
        if any(document.get(name) for name in self.stored_fields):
            return True
        return bool(self.uploaded_ids(document) or self.vendor_ids(path, document))

    def read_kept(self, record: Mapping[str, Json], method: str, path: str) -> dict[str, Json]:
        """The reply about an answer that the gateway stores. Raises ClientError for unsupported operations."""
        raise NotImplementedError

    ping: ClassVar[bytes]
    """What the gateway sends in a silent stream; a comment line in it distinguishes it from a vendor's ping.

    A comment alone ends with one line end: some SDKs treat a blank line as the end of an event without data.
    """

    id_header: ClassVar[str]
    """The reply header in which this dialect's SDK looks for the request id."""

    @abstractmethod
    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        """Checks the few fields that routing needs besides ``model`` and ``stream``. Raises InvalidRequest."""

    @functools.cached_property
    def passing(self) -> Passing:
        """Loaded with the first call."""
        passing: Passing = import_module(f"nexus.protocols.{self.name}.passthrough").PASSING
        return passing

    def uses_rejected_options(self, document: Mapping[str, Json], target: Target) -> bool:
        """Whether the target is known to reject a field or value that other models of this dialect accept, and that a
        translation would express differently."""
        return False

    files: ClassVar[FilesCodec | None] = None
    """Its files and batches, if any."""

    embeddings: ClassVar[EmbeddingsCodec | None] = None
    """Its embeddings, if any."""

    def edit_passed(self, raw: bytes, document: Mapping[str, Json], model: str) -> bytes:
        """The request's own bytes to a passthrough endpoint, with the vendor's name of the model."""
        return replace_member(raw, document, "model", model)

    id_prefix: ClassVar[str]
    """Prefix of answer ids."""

    @abstractmethod
    def write_error(self, error: NexusError, request_id: str) -> bytes:
        """The body of an error reply."""

    def error_headers(self, error: NexusError) -> dict[str, str]:
        return {}

    error_event: ClassVar[str | None] = None
    """The name of an error's event."""

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        """What ends a broken stream: the error, or the vendor's own if it has this dialect's form."""
        own = decode_object(error.body) if isinstance(error, UpstreamStatus) else {}
        body = encode(own) if mapping(own.get("error")) else self.write_error(error, broken.request_id)
        return frame(body, self.error_event)

    def keepalive(self, headers: Mapping[str, str], events: int) -> bytes:
        """Bytes to send in a silent stream that has had this many events, for the client with these headers."""
        return self.ping

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        """The gateway's limits in the headers that this dialect's SDKs read; ``now`` in Unix seconds."""
        return {}

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"input_tokens": tokens}

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        raise NotImplementedError

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """A model list, paged as ``query`` asks. Raises InvalidRequest."""
        raise NotImplementedError


_UPLOADED = frozenset({"file_id", "file_ids", "vector_store_ids"})
_MODELS_WORDS = frozenset({"parameters", "input_schema", "metadata"})


def uploaded(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """The ids of files that a request of any dialect refers to, each with its field."""
    match value:
        case dict():
            if text(value.get("type")).endswith("tool_use"):
                # A model's arguments for a tool are not fields of the protocol, whatever their names.
                return
            for name, item in value.items():
                field = f"{path}.{name}" if path else name
                if name in _UPLOADED:
                    ids = [item] if isinstance(item, str) else sequence(item)
                    yield from ((field, id) for id in ids if isinstance(id, str) and id)
                elif isinstance(item, (dict, list)) and name not in _MODELS_WORDS:
                    yield from uploaded(item, field)
        case list():
            for index, item in enumerate(value):
                if isinstance(item, (dict, list)):
                    yield from uploaded(item, f"{path}.{index}")

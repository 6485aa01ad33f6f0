"""Embeddings in a format other than the client's: as many requests as the texts need, one answer in the client's
format.

Usage is added request by request, so that a failure in between still books what was used before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nexus.conversation.estimate import BYTES_PER_TOKEN
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field, replace
from nexus.headers import own
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.embeddings import EmbeddingsCodec, EmbeddingsRequest, Format
from nexus.relay.answer import OpenedReply, own_answer
from nexus.relay.call_state import Attempt
from nexus.relay.lanes import Lane, request_for
from nexus.upstream.request import UpstreamReply
from nexus.wire import decode, encode, mapping


@dataclass(slots=True)
class Collected:
    """The results so far. ``codec`` is the client's; ``estimated`` says that some tokens are estimates."""

    codec: EmbeddingsCodec
    request: EmbeddingsRequest
    format: Format
    vectors: list[Sequence[float]] = field(default_factory=list)
    tokens: int = 0
    estimated: bool = False

    def batches(self) -> Iterator[tuple[str, ...]]:
        texts, most = self.request.texts, self.format.most
        return (texts[start : start + most] for start in range(0, len(texts), most))

    def lane(self, texts: Sequence[str], attempt: Attempt) -> Lane:
        """The lane of one batch. Raises ClientError for what the model does not support."""
        body = encode(self.format.write(texts, self.request, attempt.route.model))
        request = replace(request_for(attempt, body, self.format.dialect), stream=False, path=self.format.path)
        lost = (*self.request.dropped, *self.format.lost(self.request))
        return Lane(request, _Vectors(attempt, self, len(texts)), translates=True, dropped=lost)

    def count(self, attempt: Attempt, texts: Sequence[str], reply: UpstreamReply) -> None:
        """Books the usage of one request, estimated if the vendor does not report it."""
        header = reply.headers.get(self.format.tokens_header, "") if self.format.tokens_header else ""
        usage = attempt.tap.usage
        if header.isascii() and header.isdigit():
            usage = Usage(input=int(header), raw={self.format.tokens_header: int(header)})
        elif usage is None:
            size = sum(len(one.encode()) for one in texts)
            usage, self.estimated = Usage(input=int(size / BYTES_PER_TOKEN) + 1), True
        self.tokens += usage.input
        raw = None if self.estimated else usage.raw
        attempt.tap.usage = Usage(input=self.tokens, raw=raw, estimated=self.estimated)

    def reply(self, attempt: Attempt) -> OpenedReply:
        body = encode(self.codec.write(self.vectors, self.tokens, self.request, attempt.call.document))
        headers = {own.ESTIMATED: "true"} if self.estimated else {}
        if attempt.dropped:
            headers[own.DROPPED] = ", ".join(attempt.dropped)
        return own_answer(attempt.route.provider.name, body, headers)


class _Vectors(AnswerRelay):
    """Reads one answer into ``Collected``."""

    def __init__(self, attempt: Attempt, collected: Collected, wanted: int) -> None:
        super().__init__(attempt.tap)
        self._collected = collected
        self._wanted = wanted

    def body(self, raw: bytes) -> bytes:
        part = self._collected.format.read(mapping(decode(raw)))
        if len(part.vectors) != self._wanted:
            raise ValueError(f"expected {self._wanted} vectors")
        self.complete = True
        self._collected.vectors += part.vectors
        if part.tokens is not None:
            self.tap.usage = Usage(input=part.tokens, raw={"tokens": part.tokens})
        else:
            self.tap.usage = None
        return b""

"""Turns a request into a call: collects its body and parses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.call import Call, Tags
from nexus.errors import ClientError, InvalidRequest, UnsupportedMediaType
from nexus.protocols.checks import check_case
from nexus.protocols.dialect import ClientRequest, Dialect
from nexus.protocols.operation import Operation
from nexus.server.endpoints.base import BaseHandler
from nexus.server.endpoints.paths import base_of
from nexus.server.guards import origin_of
from nexus.server.http.body import FORM, Body, Uploading, read_document
from nexus.server.in_flight import Load
from nexus.server.runtime import Runtime
from nexus.server.server import Server
from nexus.upstream.request import media_type
from nexus.upstream.upload import Upload
from nexus.wire import Json, text


class OperationHandler(BaseHandler):
    """One operation of a dialect. ``load`` counts the bytes in flight."""

    operation: Operation
    takes_body = True
    takes_anything = False
    """Whether a body of any type is accepted and forwarded unchanged."""
    body: Body | Uploading | None = None
    load: Load

    def initialize(  # type: ignore[override]
        self, server: Server, runtime: Runtime, dialect: Dialect, operation: Operation, others: Sequence[Dialect] = ()
    ) -> None:
        self.operation = operation
        super().initialize(server, runtime, dialect, others)

    def methods(self) -> tuple[str, ...]:
        return self.operation.methods

    async def prepare(self) -> None:
        self.load = Load(self.server.flight)
        await super().prepare()
        if self._finished:
            return
        self.body = self.take_body()
        self.connection.give_early(self.data_received)

    def take_body(self) -> Body | Uploading:
        """Returns the collector for the body. Raises ClientError if the headers already rule the body out."""
        settings, length = self.runtime.settings.server, self.connection.length
        encoding, content_type = self.headers.get("content-encoding", ""), self.headers.get("content-type", "")
        is_form = self.operation.forms and media_type(content_type) == FORM
        if is_form or self.takes_anything:
            disk, most = Load(self.server.disk), settings.max_upload_size
            return Uploading(most, encoding, length, self.load, disk, content_type, is_form=is_form)
        return Body(settings.max_body_size, encoding, length, self.load)

    def data_received(self, chunk: bytes) -> None:
        super().data_received(chunk)
        if self.body is None:
            return
        try:
            self.body.feed(chunk)
        except ClientError as error:
            self.discard_body()
            self.refuse(error)

    def discard_body(self) -> None:
        """Discards the body. May be called more than once, from any thread."""
        if self.body is not None:
            self.body.drop()

    def make_call(self, path: str) -> Call:
        """Builds the call; ``path`` is the part that the handler's pattern captured. Raises ClientError."""
        raw, body, upload = self._read_any()
        request = ClientRequest(raw, body, self.headers, self.request.query, self.dialect.name)
        request = self.dialect.open(self.operation, path, request)
        document = request.document
        model = text(document.get("model")) if self.operation.names_model else ""
        if self.operation.names_model and not model:
            raise InvalidRequest.about("model", "expected the name of a model")
        stream = self._wants_stream(document)
        if self.operation.names_model:
            check_case(document, "model")
            self.dialect.check(document, self.operation)
        return self.new_call(request, model, stream=stream, path=path, upload=upload)

    def _read_any(self) -> tuple[bytes, dict[str, Json], Upload | None]:
        """Returns the raw body, the parsed fields, and the form if there is one. Raises ClientError."""
        if isinstance(self.body, Uploading):
            upload, fields = self.body.open()
            return b"", fields, upload
        if self.operation.names_model or self.received:
            return *self.read_body(), None
        return b"", {}, None

    def _wants_stream(self, document: Mapping[str, Json]) -> bool:
        """Whether the client requests a stream. Raises InvalidRequest."""
        if self.operation.streams == "query":
            return self.query().get("stream") == "true"
        if self.operation.streams == "format":
            return document.get("stream_format") == "sse"
        stream = document.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise InvalidRequest.about("stream", "expected true or false")
        return stream is True and self.operation.streams == "body"

    def read_body(self) -> tuple[bytes, dict[str, Json]]:
        """Returns the raw body, and the JSON object in it. Raises ClientError."""
        content_type = media_type(self.headers.get("content-type", ""))
        fits = content_type == "application/json" or self.dialect.takes_any_type
        if not fits or not isinstance(self.body, Body):
            forms = f" or {FORM}" if self.operation.forms else ""
            raise UnsupportedMediaType(f"expected Content-Type: application/json{forms}")
        raw = self.body.open()
        return raw, read_document(raw)

    def new_call(self, request: ClientRequest, model: str, *, stream: bool, path: str, upload: Upload | None) -> Call:
        return Call(
            id=self.id,
            dialect=request.dialect,
            caller=self.caller,
            identity=self.identity,
            headers=request.headers,
            query=request.query,
            body=request.body,
            document=request.document,
            model=model,
            stream=stream,
            operation=self.operation,
            method=self.request.method or "POST",
            path=path,
            format=self.dialect.format,
            tags=Tags.of(request.headers, self.runtime.settings.usage.tags, request.place),
            upload=upload,
            free_body=self.discard_body,
            hold=self.load.hold,
            request_id=self.request_id,
            context=self.context,
            base=self.base() if self.operation.relay == "files" else "",
        )

    def base(self) -> str:
        """The URL of the protocol's version as the client sees it; only its path if the Host header is invalid."""
        base = base_of(self.runtime.settings, self.dialect)
        return origin_of(self.request) + base.versioned

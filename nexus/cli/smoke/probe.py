"""One combination of model, protocol and mode: sends its requests, and checks what every answer must have.

A probe returns a complete answer or raises ``CheckFailed``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from nexus.cli.smoke.formats import Body, Format
from nexus.cli.smoke.http import CheckFailed, ErrorStatus, ServerUnderTest, Timings
from nexus.conversation.parts import Image, Message, Request, Response, Text
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field, replace
from nexus.models.chat_server import PLAIN, ChatServer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A format, its path prefix on the server, and the headers of each request."""

    format: Format
    path: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TestedModel:
    """A model. ``usage`` is false if the vendor rejects requests for token counts on streams; ``embeds`` marks an
    embedding model.
    """

    name: str
    usage: bool = True
    embeds: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """The server, formats and models to test."""

    gateway: ServerUnderTest
    endpoints: tuple[Endpoint, ...]
    models: tuple[TestedModel, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """One combination to test."""

    gateway: ServerUnderTest
    endpoint: Endpoint
    model: TestedModel
    stream: bool

    def send(
        self, request: Request, more: Body | None = None, *, server: ChatServer = PLAIN, trace: Timings | None = None
    ) -> Response:
        """The complete answer to a request with ``more`` fields, written as for ``server``; its model and token counts
        are checked. Raises CheckFailed."""
        trace, format, name = trace or Timings(), self.endpoint.format, self.model.name
        request = replace(request, stream=self.stream)
        body = format.write(request, name, replace(server, no_stream_usage=not self.model.usage)) | (more or {})
        path = self.endpoint.path + format.address(name, stream=self.stream)
        with self.gateway.post(path, body, self.endpoint.headers, trace) as reply:
            if self.stream:
                answer = format.read_stream(reply, request, name, trace.mark_first)
            else:
                answer = format.read(reply.document(), request, name)
        if format.names_model:
            demand(answer.model == name, f"the answer says it is from {answer.model or 'no model'}")
        if self.model.usage or not self.stream:
            check_usage(answer.usage, words=not format.embeds)
        return answer


def first_accepted(attempts: Iterable[Callable[[], Response]]) -> Response:
    """The answer of the first attempt that is not rejected with 400. Raises CheckFailed."""
    *early, last = attempts
    for attempt in early:
        try:
            return attempt()
        except ErrorStatus as error:
            if error.status != 400:
                raise
    return last()


def user(*parts: Text | Image) -> Message:
    return Message("user", parts)


def said(answer: Response) -> str:
    return "".join(part.text for part in answer.parts if isinstance(part, Text))


def demand(holds: object, problem: str) -> None:
    """Raises CheckFailed."""
    if not holds:
        raise CheckFailed(problem)


def check_usage(usage: Usage, *, words: bool) -> None:
    """Raises CheckFailed unless there are input tokens, and output tokens exactly if the answer is ``words``."""
    demand(usage.raw is not None, "the answer has no usage")
    plausible = usage.total_input and bool(usage.total_output) == words
    demand(plausible, f"the usage is not plausible: {usage.total_input} in, {usage.total_output} out")


def probes(site: Site) -> Iterator[Probe]:
    for model in site.models:
        for endpoint in site.endpoints:
            if endpoint.format.embeds == model.embeds:
                for stream in (False,) if model.embeds else (False, True):
                    yield Probe(site.gateway, endpoint, model, stream)

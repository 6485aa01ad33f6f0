"""One combination of model, protocol and mode: sends its requests, and checks what every answer must have.

A probe returns a complete answer or raises ``CheckFailed``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nexus.cli.smoke.dialect import Answer, Body, DialectClient, Spent, demand
from nexus.cli.smoke.http import CheckFailed, ErrorStatus, ServerUnderTest, Timings
from nexus.dataclasses import dataclass, field
from nexus.wire import Json


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A dialect, its path prefix on the server, and the headers of each request."""

    dialect: DialectClient
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
    """The server, dialects and models to test."""

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

    def ask(self, content: str | Sequence[Json], *variants: Body, trace: Timings | None = None) -> Answer:
        """Sends one user message. Tries the ``variants`` of its fields in order until one is not rejected with 400.
        Raises CheckFailed."""
        *early, last = variants or ({},)
        body = self.body(content)
        for variant in early:
            try:
                return self.send(body | variant, trace or Timings())
            except ErrorStatus as error:
                if error.status != 400:
                    raise
        return self.send(body | last, trace or Timings())

    def body(self, content: str | Sequence[Json]) -> Body:
        return self.endpoint.dialect.request(self.model.name, content, stream=self.stream, usage=self.model.usage)

    def send(self, body: Body, trace: Timings) -> Answer:
        """The complete answer to a request, with its model and token counts checked. Raises CheckFailed."""
        dialect = self.endpoint.dialect
        path = self.endpoint.path + dialect.address(self.model.name, stream=self.stream)
        with self.gateway.post(path, body, self.endpoint.headers, trace) as reply:
            if self.stream:
                reader = dialect.reader()
                for frame in dialect.frames(reply):
                    if frame.data is None:
                        continue
                    reader.feed(frame)
                    if reader.begun and trace.first is None:
                        trace.first = trace.elapsed()
                answer = reader.finish()
            else:
                answer = dialect.read(reply.document())
        if dialect.names_model:
            demand(answer.model == self.model.name, f"the answer says it is from {answer.model or 'no model'}")
        if self.model.usage or not self.stream:
            check_usage(answer.spent, words=dialect.talks)
        return answer


def check_usage(spent: Spent | None, *, words: bool) -> None:
    """Raises CheckFailed unless there are input tokens, and output tokens exactly if the answer is ``words``."""
    if spent is None:
        raise CheckFailed("the answer has no usage")
    plausible = spent.input and bool(spent.output) == words
    demand(plausible, f"the usage is not plausible: {spent.input} in, {spent.output} out")


def probes(site: Site) -> Iterator[Probe]:
    for model in site.models:
        for endpoint in site.endpoints:
            if endpoint.dialect.talks == model.embeds:
                continue
            for stream in (False, True) if endpoint.dialect.talks else (False,):
                yield Probe(site.gateway, endpoint, model, stream)

"""``nexus route --explain``: shows where a request would go, in which order and why, without calling a vendor.

All output passes through the log redactor; of headers only the names are shown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from nexus.auth.identity import Identity
from nexus.call import Call
from nexus.cli.options import CommandError, Options
from nexus.cli.output import put
from nexus.errors import ClientError, InvalidRequest
from nexus.gateway.explain import Explained, Step, explain
from nexus.gateway.routing import Model, Routes
from nexus.protocols.dialect import ClientRequest, Dialect
from nexus.protocols.loader import FORMS
from nexus.protocols.operation import GENERATE
from nexus.server.process.source import Source
from nexus.settings import Settings, registry, secrets
from nexus.telemetry.logs import redactor
from nexus.wire import Json, text

UNKNOWN = "not considered: cooldowns, what is already spent, and stored answers"


def route(options: Options, settings: Settings, source: Source) -> int:
    """Prints where the request in a file would go; returns 1 if no provider would serve it."""
    hide = redactor(secrets(settings))
    try:
        lines, serves = _report(settings, options)
    except (CommandError, ClientError) as error:
        raise CommandError(hide(str(error))) from None
    put(hide("\n".join([*lines, ""])))
    return 0 if serves else 1


def _report(settings: Settings, options: Options) -> tuple[list[str], bool]:
    document, raw = _read(options.request or Path("-"))
    dialect = _dialect_of(document, options.protocol)
    request = _opened(dialect, ClientRequest(raw, document, {}, "", dialect.name), options.model)
    dialect.check(request.document, GENERATE)
    call = _call(request, _identity(settings, options.key))
    known = Routes(registry.load_all(settings.llm.served), settings.llm.models)
    model = known.seen_by(call.identity).find(call.model)
    found = explain(call, model)
    return list(_lines(call, model, found)), found.serves


def _read(file: Path) -> tuple[dict[str, Json], bytes]:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise CommandError(f"{file}: is not a JSON object, as the body of a request is")
    return document, raw


def _dialect_of(document: dict[str, Json], protocol: str) -> Dialect:
    """The dialect of ``protocol`` that the request is written in."""
    spoken = [form for form in FORMS.values() if form.protocol.name == protocol]
    wanted = "invoke" if "anthropic_version" in document else "responses" if "messages" not in document else ""
    return next((form for form in spoken if form.form == wanted), spoken[0])


_PATHS = {
    "converse": "/model/{}/converse",
    "gemini": "/models/{}:generateContent",
    "invoke": "/model/{}/invoke",
    "vertex": "/projects/-/locations/-/publishers/anthropic/models/{}:rawPredict",
}
"""Paths of requests whose body names no model, by the form of the request."""


def _opened(dialect: Dialect, request: ClientRequest, model: str) -> ClientRequest:
    """The request in the form of its dialect. Raises CommandError, InvalidRequest."""
    path = _PATHS.get(dialect.form, "")
    if path and not model:
        raise CommandError(f"--protocol {dialect.protocol.name} needs --model: the body does not name the model")
    return dialect.open(GENERATE, path.format(model), request)


def _identity(settings: Settings, key: str) -> Identity:
    """The identity of a gateway key by name, or without one of a caller who may use all models. Raises CommandError."""
    if not key:
        return Identity(None, None, None, "open", None, "", frozenset())
    own, rules = settings.server.keys, settings.server.client_identification
    if key not in own:
        known = f"known are: {', '.join(own)}" if own else "they have no [server.keys]"
        raise CommandError(f"--key {key}: is not a gateway key in these settings; {known}")
    groups = rules.enabled and rules.group_id is not None and rules.group_id.gateway_key
    return Identity(
        client_id=key if rules.enabled else None,
        group=own[key].group if groups else None,
        models=own[key].models,
        source="key",
        key=key,
        owner=key,
        credential_headers=frozenset(),
    )


def _call(request: ClientRequest, identity: Identity) -> Call:
    model = text(request.document.get("model"))
    if not model:
        raise InvalidRequest.about("model", "expected the name of a model")
    return Call(
        id="req_explained",
        dialect=request.dialect,
        caller="127.0.0.1",
        identity=identity,
        headers=request.headers,
        query=request.query,
        body=request.body,
        document=request.document,
        model=model,
        stream=request.document.get("stream") is True,
    )


def _lines(call: Call, model: Model, found: Explained) -> Iterator[str]:
    yield f"request    {call.dialect}, model {call.model}, {'a stream' if call.stream else 'a whole answer'}"
    output = f", at most {found.output} of output" if found.output is not None else ""
    yield f"tokens     about {found.tokens} of input{output}"
    if call.identity.key is not None:
        group = f", group {call.identity.group}" if call.identity.group else ""
        yield f"caller     key {call.identity.key}{group}"
    if model.virtual is not None:
        yield f"model      {', '.join(_virtual(model))}"
        named = "named in the request" if found.session is not None else "none: each call is distributed independently"
        yield f"session    {named}"
    for number, step in enumerate(found.steps, 1):
        yield ""
        yield from _step(number, step)
    yield ""
    for name in found.left_out:
        yield f"left out   {name}: needs the caller's own key or login"
    yield UNKNOWN


def _virtual(model: Model) -> Iterator[str]:
    yield f"{model.name} is virtual"
    settings = model.virtual
    for name in ("patience", "deadline"):
        seconds = getattr(settings, name)
        if seconds is not None:
            yield f"{name} {seconds:g} s"
    if settings is not None and settings.spill_over:
        yield "spill_over"


def _step(number: int, step: Step) -> Iterator[str]:
    yield f"{number}. {step.candidate}: {step.why}"
    if step.refused:
        yield f"   refused   {step.refused}"
    else:
        yield f"   url       {step.url}"
        yield f"   lane      {step.lane}"
        yield f"   headers   {', '.join(step.headers)}"
        if step.signing:
            yield f"   signing   {', '.join(step.signing)}: those that the credentials need"
    for limit in step.limits or ("none",):
        yield f"   limit     {limit}"
    if step.dropped:
        yield f"   dropped   {', '.join(step.dropped)}"

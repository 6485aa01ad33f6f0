"""How one attempt is made: its dialect, its body, and how its answer comes back.

Law: pure, and chosen once per attempt from the *original* request. Passthrough if the provider speaks the client's
dialect; otherwise translation into the vendor's richest dialect. Three exceptions, and nothing else: a chat request
that OpenAI is known to reject on chat completions (tools on its newer models) is translated to Responses; so is a
Responses request that refers to answers which the gateway stores, or asks another vendor's model for a compaction; and
a model that rejected one of OpenAI's dialects is asked in the other. Fields that a translation drops are reported by
the client's own names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from pydantic import SecretStr

from nexus.call import Call
from nexus.conversation.cache_hints import with_own_hints
from nexus.conversation.parts import Request
from nexus.dataclasses import dataclass, replace
from nexus.errors import ClientError, InvalidRequest, UnsupportedFeature
from nexus.headers.forwarding import without_credentials
from nexus.models.claude import with_switch
from nexus.protocols import loader
from nexus.protocols.answer_relay import Opaque
from nexus.protocols.codec import Target
from nexus.protocols.cutter import write_warming
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.loader import DIALECTS
from nexus.protocols.operation import GENERATE
from nexus.protocols.pairing import paired
from nexus.protocols.rewrite import Edited
from nexus.protocols.tool_calls import check_choice
from nexus.protocols.web_search import without_search
from nexus.provider import ProviderRequest, Without
from nexus.provider.route import Route
from nexus.relay.attribution import labels_of
from nexus.relay.call_state import Attempt
from nexus.relay.candidate import REPLACED_CREDENTIALS
from nexus.relay.reading import reading
from nexus.relay.translation import Translation
from nexus.wire import encode


@dataclass(frozen=True, slots=True)
class Lane:
    """``dropped`` names the fields that the request lost, ``hints`` where prompt-cache breakpoints were added."""

    request: ProviderRequest
    relay: AnswerRelay
    translates: bool
    dropped: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def with_key(self, key: SecretStr) -> Lane:
        """The same lane with a key that is not the caller's."""
        return replace(self, request=replace(self.request, key=key))


def choose(attempt: Attempt, without: Sequence[Without] = ()) -> Lane:
    """Chooses the lane of a generation. ``without`` removes what the vendor rejected from the target. Raises
    ClientError for what the dialect cannot express."""
    call, route = attempt.call, attempt.route
    other = next((one.dialect for one in without if one.dialect), "") if without else ""
    dialect = other or route.provider.dialects_of(route.model, route.settings)[0]
    if not passes(call, route):
        return _translate(attempt, dialect, without)
    rejected = attempt.state.resolves or route.provider.refuses(call.dialect, call.document, route.model)
    if other or rejected or _uses_rejected_options(attempt):
        _refuse_logprobs(reading(attempt.state).request)
        return _translate(attempt, dialect, without)
    return _passthrough(attempt, without)


def _uses_rejected_options(attempt: Attempt) -> bool:
    """Whether a request to a virtual model contains something that this target rejects. A client that names a plain
    model gets its vendor's own answer instead."""
    call, route, plan = attempt.call, attempt.route, attempt.state.plan
    if plan is None or not plan.virtual or call.operation.compacts:
        return False
    target = route.provider.target(call.dialect, route.model, route.settings)
    return DIALECTS[call.dialect].uses_rejected_options(call.document, target)


def passes(call: Call, route: Route) -> bool:
    """Whether the vendor speaks the client's dialect, so that ids in the call are the vendor's."""
    if call.dialect not in route.provider.dialects_of(route.model, route.settings):
        return False
    return not call.operation.compacts or route.provider.stores(call.dialect)


def _refuse_logprobs(request: Request) -> None:
    """Rejects fields whose results a translated answer does not have."""
    for name in ("logprobs", "top_logprobs"):
        if getattr(request, name):
            raise UnsupportedFeature.about(
                name, f"this model accepts such a request only through the Responses API, which returns no {name}"
            )


def choose_stored(attempt: Attempt) -> Lane:
    """The lane of what the vendor stores: request and answer pass unchanged."""
    call = attempt.call
    return Lane(request_for(attempt, call.body), DIALECTS[call.dialect].passing.stored(attempt.tap), translates=False)


def choose_passed(attempt: Attempt) -> Lane:
    """The lane of an endpoint that passes through: only the model's name is replaced."""
    call, model = attempt.call, attempt.route.model
    body = b"" if call.upload is not None else DIALECTS[call.dialect].edit_passed(call.body, call.document, model)
    upload = None if call.upload is None else call.upload.with_model(model)
    path = call.path if call.operation.many else call.operation.path
    request = replace(request_for(attempt, body), path=path, upload=upload)
    return Lane(request, DIALECTS[call.dialect].passing.passed(call.document, attempt.tap), translates=False)


def choose_raw(attempt: Attempt) -> Lane:
    """The lane of any other path of a vendor."""
    request = replace(request_for(attempt, b""), upload=attempt.call.upload)
    return Lane(request, Opaque(attempt.tap), translates=False)


def _passthrough(attempt: Attempt, without: Sequence[Without]) -> Lane:
    call = attempt.call
    passed = edited(attempt, without)
    relay = DIALECTS[call.dialect].passing.passthrough(call.document, call.model, attempt.tap)
    return Lane(request_for(attempt, passed.body), relay, translates=False, dropped=passed.dropped)


def edited(attempt: Attempt, without: Sequence[Without] = ()) -> Edited:
    """The client's request as the vendor gets it, if it speaks the client's dialect."""
    call = attempt.call
    target = _target(attempt.route, call.dialect, without)
    return DIALECTS[call.dialect].passing.edit_request(call.body, call.document, target)


def _translate(attempt: Attempt, dialect: str, without: Sequence[Without]) -> Lane:
    call, route = attempt.call, attempt.route
    client, vendor = loader.client(call.dialect), loader.vendor(dialect)
    read = reading(attempt.state)
    target = _target(route, dialect, without)
    with clients_names(attempt, read.request):
        request, lost = fitted(read.request, target, call.model)
    needs_hints = route.settings.auto_cache and dialect == "messages"
    request, hints = with_own_hints(request) if needs_hints else (request, ())
    with clients_names(attempt, request):
        write = vendor.write_request if request.max_tokens != 0 else partial(write_warming, vendor.write_request)
        written = write(request, target)
        body = encode(written.body)
    sent = request_for(attempt, body, dialect)
    # To the vendor, a summary is an ordinary generation.
    sent = replace(sent, action=GENERATE.action, stream=sent.stream and not written.whole)
    asked = (name for name in call.headers if name in client.headers)
    dropped = (*read.dropped, *client.lost((*lost, *written.dropped), call.document, request), *asked)
    tries = route.provider.settings.retries.attempts
    may_be_empty = not vendor.repeats_empty or tries == 1 or ASKED_AGAIN in without
    relay = Translation(attempt, request, dialect, route.model, written, target.chat, may_be_empty=may_be_empty)
    return Lane(sent, relay, translates=True, dropped=tuple(dict.fromkeys(dropped)), hints=hints)


def _target(route: Route, dialect: str, without: Sequence[Without]) -> Target:
    target = route.provider.target(dialect, route.model, route.settings)
    for one in without:
        target = one.change(target)
    return target


ASKED_AGAIN = Without("an empty answer")
"""Accepts an empty answer: the request was repeated, and nothing else is left out."""


@contextmanager
def clients_names(attempt: Attempt, request: Request) -> Iterator[None]:
    """Makes an error about ``request`` name the field that the client sent, at its place there."""
    try:
        yield
    except ClientError as error:
        if error.param:
            call = attempt.call
            error.name_field(loader.client(call.dialect).field_of(error.param, call.document, request))
        raise
    except RecursionError as error:
        raise InvalidRequest(
            "the JSON schemas of the request are nested too deeply through their references"
        ) from error


def fitted(request: Request, target: Target, asked: str) -> tuple[Request, tuple[str, ...]]:
    """Applies what every vendor needs; returns the request and what it lost. ``asked`` is the client's name of the
    model.

    Raises UnsupportedFeature and InvalidRequest.
    """
    request = with_switch(request, asked, target.model)
    request, unsearched = without_search(request, searches=target.searches)
    check_choice(request)
    request, unpaired = paired(request)
    return request, (*unsearched, *unpaired)


def request_for(attempt: Attempt, body: bytes, dialect: str = "") -> ProviderRequest:
    """The request to send: the client's own, with its headers and its query, or, with a ``dialect``, one that Nexus
    wrote."""
    call, route, candidate = attempt.call, attempt.route, attempt.candidate
    # If the configured key replaces the caller's, the caller's is not sent.
    client = {} if candidate.spills else call.own_headers
    credentials = call.identity.credential_headers | (REPLACED_CREDENTIALS if candidate.spills else frozenset())
    return ProviderRequest(
        dialect=dialect or call.dialect,
        action=call.operation.action,
        model=route.model,
        settings=route.settings,
        body=body,
        stream=call.stream,
        method=call.method,
        path=call.path,
        labels=labels_of(call, route.provider.name, route.provider.settings),
        correlation=attempt.correlation,
        headers={} if dialect else call.headers,
        query="" if dialect else without_credentials(call.query),
        key=route.provider.key(client, call.dialect, candidate.account),
        key_is_callers=route.provider.own_key(client, call.dialect) is not None,
        client=call.headers,
        credential_headers=credentials,
    )

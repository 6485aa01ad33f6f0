"""``nexus check --discover``: compares the models that vendors offer with the configured ones.

All providers are queried concurrently, each with a timeout of ``SECONDS``. One that fails is reported and does not
affect the others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from nexus import wire
from nexus.cancel import Cancel
from nexus.dataclasses import dataclass, replace
from nexus.errors import NexusError, UpstreamError, UpstreamTimeout
from nexus.headers.rules import rewrite
from nexus.protocols import loader
from nexus.provider import Provider
from nexus.provider.catalogue import CannotList, Offered
from nexus.settings import ProviderSettings, Settings, registry
from nexus.upstream.request import UpstreamRequest
from nexus.wire import Json

SECONDS = 15.0
MOST_PAGES = 50
MOST_BYTES = 8 * 2**20
MOST_MODELS = 5000
LONGEST_ID = 256
_LONGEST_REASON = 300
_CONCURRENT = 16
_WIDTH = 110


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models that a provider offers; ``failed`` is the error if unknown, ``silent`` if its type has no list."""

    offered: tuple[Offered, ...] = ()
    failed: str = ""
    silent: bool = False


def discover(settings: Settings, seconds: float = SECONDS) -> dict[str, ModelList]:
    """The answer of each provider by name, in the order of the settings."""
    with ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="discover") as pool:
        futures = {name: pool.submit(_model_list, name, one, seconds) for name, one in settings.llm.served.items()}
        return {name: answer.result() for name, answer in futures.items()}


def _model_list(name: str, settings: ProviderSettings, seconds: float) -> ModelList:
    try:
        with closing(registry.load(settings.type)(name, settings)) as provider:
            return _listed(provider, seconds)
    except CannotList as error:
        return ModelList(failed=str(error))
    except NexusError as error:
        return ModelList(failed=_reason(error))


def _listed(provider: Provider, seconds: float) -> ModelList:
    cancel = Cancel()
    late = UpstreamTimeout(f"{provider.name}: no complete list within {seconds:g} s", provider=provider.name)
    with cancel.within(seconds, late):
        key = provider.accounts[0].key
        if key is None and provider.renewed_key is not None:
            key = provider.renewed_key.get(cancel).value
        if key is None and provider.settings.takes_callers_key:
            return ModelList(failed="it has no key; callers bring their own")
        catalogue = provider.catalogue(key)
        if catalogue is None:
            return ModelList(silent=True)
        with closing(catalogue):
            request = next(catalogue)
            for _ in range(MOST_PAGES):
                document = _document(provider, request, cancel)
                try:
                    request = catalogue.send(document)
                except StopIteration as end:
                    return ModelList(tuple(_usable(end.value)))
        raise CannotList(f"the list has more than {MOST_PAGES} pages")


def _document(provider: Provider, request: UpstreamRequest, cancel: Cancel) -> Mapping[str, Json]:
    rules, none = provider.settings.headers, frozenset[str]()
    headers = rewrite(rules, {}, request.headers, reserved=provider.reserved(), credential_headers=none)
    with provider.send(replace(request, headers=headers), cancel) as reply:
        body = reply.whole(MOST_BYTES)
    if body is None:
        raise CannotList(f"the list is larger than {MOST_BYTES >> 20} MiB")
    if reply.status == 200:
        return wire.decode_object(body)
    failure = loader.vendor(provider.dialects[0]).read_error(reply.status, reply.headers, body)
    reason = " ".join(failure.message.split())[:_LONGEST_REASON]
    raise CannotList(f"{reply.status} from {provider.server or provider.base_url}: {reason}".rstrip(": "))


def _usable(found: Iterable[Offered]) -> list[Offered]:
    """The distinct models with a valid name, in the vendor's order, at most ``MOST_MODELS``."""
    usable = {one.id: one for one in found if one.id and len(one.id) <= LONGEST_ID and one.id.isprintable()}
    return list(usable.values())[:MOST_MODELS]


def _reason(error: NexusError) -> str:
    if not isinstance(error, UpstreamError):
        return str(error)
    message = str(error).removeprefix(f"{error.provider}: ")
    # With a host, ``why`` says all that the message does.
    return error.why if error.host else f"{message} ({error.why})" if error.why else message


def report(settings: Settings, answers: Mapping[str, ModelList]) -> Iterator[str]:
    """The lines of the report, printed after the routes of ``nexus check``."""
    for name, answer in answers.items():
        if answer.silent:
            yield f"{name}: its type has no list of models"
            continue
        if answer.failed:
            yield f"{name}: cannot get the list of models: {answer.failed}"
            continue
        configured = {alias: model.rename or alias for alias, model in settings.llm.providers[name].models.items()}
        lacking = [alias for alias, id in configured.items() if not any(one.is_called(id) for one in answer.offered)]
        others = [one for one in answer.offered if not any(one.is_called(id) for id in configured.values())]
        yield f"{name} offers {models(len(answer.offered))}, {len(configured) - len(lacking)} of them configured"
        for alias in lacking:
            known = "" if configured[alias] == alias else f" ({configured[alias]})"
            yield f"warning: {name}/{alias}{known} is configured but not in the vendor's list"
        yield from _names("offered but not configured", [one.id for one in others if one.answers])
        yield from _names("offered for other uses than text", [one.id for one in others if not one.answers])
    if answers:
        yield ""


def models(count: int) -> str:
    """A count of models in words, such as "3 models"."""
    return f"{count} model{'' if count == 1 else 's'}"


def _names(what: str, names: list[str]) -> Iterator[str]:
    if names:
        yield f"  {what}:"
        yield from textwrap.wrap(
            "  ".join(sorted(names)),
            _WIDTH,
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )

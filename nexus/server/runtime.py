"""The runtime built from one configuration (routes, providers, admission, guards), and what survives a reload.

Law: a request keeps the runtime that it began with. A runtime is closed once: when it was replaced and the last request
that uses it is over.
"""

from __future__ import annotations

import os
import ssl
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Self

from nexus.accounting.file_owners import FileOwners
from nexus.accounting.price_book import PriceBook, priced
from nexus.auth.authenticator import Authenticator
from nexus.daemon import start_daemon
from nexus.dataclasses import dataclass
from nexus.errors import Overloaded
from nexus.gateway.admission import Admission
from nexus.gateway.budgets import Budgets
from nexus.gateway.candidates import Router
from nexus.gateway.routing import Routes
from nexus.gateway.stages import Gateway
from nexus.limits.limiter import Limits
from nexus.limits.quota import Store
from nexus.limits.store_memory import MemoryStore
from nexus.provider import Provider
from nexus.response_store.local import LocalStore
from nexus.response_store.remote import RemoteStore
from nexus.response_store.responses import answers_of
from nexus.response_store.store import ANSWERS, IDS, ResponseStore, bounds_of
from nexus.response_store.vendor_ids import vendor_ids_of
from nexus.server.guards import Guards
from nexus.server.shared_state import Member
from nexus.server.sockets.listening import tls_context
from nexus.settings import ServerSettings, Settings, registry, secrets
from nexus.settings.attribution import claims_of
from nexus.settings.files import stamp
from nexus.settings.limits import RedisStorage
from nexus.settings.usage import state_folder
from nexus.shared import Holder, Shared
from nexus.telemetry import logs


@dataclass(frozen=True, slots=True)
class Kept:
    """State that survives a reload. Counters of limits, learned answer sizes and stored answers stay for the life of
    the process, in the ``[server.rate_limits.storage]`` configured at its start; so do cooldowns and session moves,
    which are keyed by name. ``shared`` holds objects that are reused while their own settings are unchanged: a
    provider's connections and credentials, TLS contexts.
    """

    router: Router
    limits: Limits
    answers: ResponseStore
    ids: ResponseStore
    owners: FileOwners
    shared: Shared

    @classmethod
    def of(cls, own: ServerSettings, owners: FileOwners, member: Member | None = None) -> Self:
        """``member`` is given in a worker process. Raises CannotServe."""
        router = Router()
        if member is not None:
            router.cooldowns.share(member.board)
            router.moves.share(member.board)
            router.rooms.share(member.rows, member.part)
        counted, kept = stores_of(own, member)
        return cls(router, Limits(counted), kept[ANSWERS], kept[IDS], owners, Shared())

    def close(self) -> None:
        self.router.alarms.close()
        for store in (self.limits.store, self.ids, self.answers):
            store.close()


def stores_of(own: ServerSettings, member: Member | None = None) -> tuple[Store, dict[str, ResponseStore]]:
    """Returns the store of limits, and the response stores by name, all in the same storage. Raises CannotServe."""
    storage = own.rate_limits.storage
    bounds = {name: bounds_of(own.response_store, name) for name in (ANSWERS, IDS)}
    if isinstance(storage, RedisStorage):
        from nexus.limits.store_redis import RedisStore
        from nexus.response_store.redis_store import RedisResponseStore

        return RedisStore(storage), {
            name: RedisResponseStore(storage, bound, name=name) for name, bound in bounds.items()
        }
    if member is None:
        return MemoryStore(), {name: LocalStore(bound) for name, bound in bounds.items()}
    return MemoryStore(table=member.windows), {
        name: RemoteStore(member.link, bound, name) for name, bound in bounds.items()
    }


class Uses:
    """Counts the requests that use a runtime. Loop thread only."""

    def __init__(self, close: ExitStack) -> None:
        self._close = close
        self.count = 0
        self._retired = False

    def begin(self) -> None:
        self.count += 1

    def end(self) -> None:
        self.count -= 1
        self._close_unused()

    def retire(self) -> None:
        """Closes the runtime once its last request is over; no further request may begin."""
        self._retired = True
        self._close_unused()

    def close(self) -> None:
        """Closes the runtime now, even if requests still hang; for the end of the process."""
        self._close.close()

    def _close_unused(self) -> None:
        if self._retired and not self.count:
            self.close()


@dataclass(frozen=True, slots=True, eq=False)
class Runtime:
    """``tls`` is None if plain HTTP is served."""

    settings: Settings
    gateway: Gateway
    prices: PriceBook
    guards: Guards
    providers: tuple[Provider, ...]
    tls: ssl.SSLContext | None
    uses: Uses

    def start(self) -> None:
        """Starts fetching what calls will need, such as prices and credentials."""
        with suppress(Overloaded):
            # The first call tries again.
            self.prices.start()
        for provider in self.providers:
            provider.start(logs.hide)

    def warm(self) -> None:
        """Prepares, on a separate thread, what the first calls would wait for. Call it once clients can connect."""
        with suppress(Overloaded):
            start_daemon("nexus-warm", self._warm)

    def _warm(self) -> None:
        for provider in self.providers:
            provider.warm()

    def reap(self) -> None:
        """Closes idle connections to vendors."""
        for provider in self.providers:
            provider.reap()


def build(settings: Settings, kept: Kept) -> Runtime:
    """Builds a runtime, on any thread. Raises CannotServe, after closing all that it opened."""
    own = settings.server
    with ExitStack() as stack:
        # Until the runtime is closed, because late log lines of its calls may still hold its secrets.
        stack.callback(logs.know(secrets(settings)))
        holder = stack.enter_context(closing(Holder(kept.shared)))
        tls = _tls(own, holder)
        authenticator = Authenticator.open(
            own.client_identification, own.keys, own.oauth, kept.shared, claims_of(settings.attributions)
        )
        stack.callback(authenticator.close)
        providers: list[Provider] = []
        for name, table in settings.llm.served.items():
            providers.append(registry.load(table.type)(name, table, kept.shared))
            stack.callback(providers[-1].close)
        prices = PriceBook(priced(providers), state_folder(os.environ))
        budgets = Budgets(settings.budgets, settings.llm) if settings.budgets else None
        answers = kept.answers if own.response_store.enabled else None
        gateway = Gateway(
            authenticator,
            Routes(providers, settings.llm.models),
            kept.router,
            Admission(own.rate_limits, kept.limits, budgets, prices),
            partial(answers_of, store=answers, most=own.max_body_size),
            partial(vendor_ids_of, store=kept.ids, settings=own.response_store),
            kept.owners,
            settings.usage.readers,
        )
        return Runtime(settings, gateway, prices, Guards.of(own), tuple(providers), tls, Uses(stack.pop_all()))


def _tls(own: ServerSettings, holder: Holder) -> ssl.SSLContext | None:
    """Returns the TLS context, reused while the certificate is unchanged, so that clients can resume sessions.

    Raises CannotServe.
    """
    tls = own.tls
    if tls is None:
        return None
    stamps = (stamp(tls.certificate), stamp(tls.key))
    return holder.hold("certificate", (tls, stamps), lambda _: tls_context(tls))

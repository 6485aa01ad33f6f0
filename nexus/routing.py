"""From the model name that a client wrote to the provider and the vendor's id of the model.

Law: pure. Only configured models exist; a name that is not one is answered with the nearest that is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nexus.errors import InvalidRequest, ModelNotFound, NotFound
from nexus.headers import KEEPER
from nexus.provider import Provider
from nexus.settings.provider import ModelSettings


@dataclass(frozen=True, slots=True)
class Route:
    """Provider and request model for a call; ``name`` is the public ``provider/alias``, ``names`` all public names."""

    provider: Provider
    alias: str
    settings: ModelSettings

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.alias}"

    @property
    def names(self) -> tuple[str, ...]:
        exposed = self.settings.expose_as
        return (self.name,) if exposed in (None, self.name) else (self.name, exposed)

    @property
    def model(self) -> str:
        return self.settings.rename or self.alias

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model}"


class Routes:
    """Every configured model, in the order of the file."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._routes: dict[str, Route] = {}
        self._exposed: dict[str, Route] = {}
        self._aliases: dict[str, list[str]] = {}
        self._providers: set[str] = set()
        for provider in providers:
            self._providers.add(provider.name)
            for alias, settings in provider.settings.models.items():
                route = Route(provider, alias, settings)
                self._routes[route.name] = route
                if settings.expose_as is not None:
                    self._exposed[settings.expose_as] = route
                self._aliases.setdefault(alias, []).append(route.name)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def find(self, model: str) -> Route:
        """The route of ``provider/alias``, of the name that it is exposed as, or of an alias that is unique over all
        providers. Raises ModelNotFound."""
        route = self._routes.get(model) or self._exposed.get(model)
        if route is not None:
            return route
        candidates = self._aliases.get(model, [])
        if len(candidates) == 1:
            return self._routes[candidates[0]]
        raise ModelNotFound(self._why_not(model, candidates), param="model")

    def keeper(self, dialect: str, wanted: str, allowed: Callable[[str], bool]) -> Route:
        """The provider that keeps what clients of ``dialect`` stored: the one called ``wanted``, or the only one.

        ``allowed`` judges public names: whoever may use none of a provider's models does not see the provider. Raises
        NotFound and InvalidRequest.
        """
        keepers = {
            route.provider.name: route.provider
            for route in self
            if route.provider.keeps(dialect)
            and dialect in route.provider.dialects_of(route.model, route.settings)
            and allowed(route.name)
        }
        if not keepers:
            raise NotFound("no model that can be called here has a vendor that keeps answers")
        if not wanted and len(keepers) > 1:
            raise InvalidRequest(f"the header {KEEPER} is missing; it names one of: {', '.join(keepers)}")
        provider = keepers.get(wanted) if wanted else next(iter(keepers.values()))
        if provider is None:
            raise NotFound(f"the header {KEEPER} names no provider that keeps answers; there is: {', '.join(keepers)}")
        return Route(provider, "*", ModelSettings())

    def _why_not(self, model: str, candidates: list[str]) -> str:
        shown = model if len(model) <= 200 else model[:200] + "..."
        if candidates:
            return f"model {shown!r} is ambiguous; candidates: {', '.join(candidates)}"
        provider, slash, _ = model.partition("/")
        what = f"provider {provider[:64]!r} (of model {shown!r})" if slash and provider not in self._providers else None
        nearest = self._nearest(model[:200])
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        return f"{what or f'model {shown!r}'} does not exist{hint}"

    def _nearest(self, model: str) -> str | None:
        """The closest configured name, by its full spelling or by its alias."""
        names = {name: name for name in (*self._routes, *self._exposed)}
        names |= {alias: all_[0] for alias, all_ in self._aliases.items()}
        found = difflib.get_close_matches(model, list(names), 1, 0.5)
        if not found:
            found = difflib.get_close_matches(model.rpartition("/")[2], list(names), 1, 0.5)
        return names[found[0]] if found else next(iter(self._routes), None)

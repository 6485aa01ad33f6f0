"""From the model name that a client wrote to what it stands for: one route, or the targets of a virtual model.

Only configured models exist; a name that is not one is answered with the nearest that is. A virtual name
wins over an alias of the same spelling, and whoever may call it reaches its targets through it only.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from nexus.auth.identity import Identity, may_use
from nexus.dataclasses import dataclass
from nexus.errors import InvalidRequest, ModelNotFound, NotFound
from nexus.headers.own import STORED_PROVIDER
from nexus.models.names import anthropics_id
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.settings.model import ModelSettings
from nexus.settings.virtual import VirtualModel

MOST_NAMED = 20
"""Models that are named in the place of one that cannot do what is asked."""

OWNER = "nexus"
"""Who is said to own a virtual model."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a public name stands for. ``spread`` are targets with their weights, ``targets`` those that are tried in
    their order after them; ``virtual`` is None where ``targets`` is the one model that was named.
    """

    name: str
    targets: tuple[Route, ...]
    spread: tuple[tuple[Route, float], ...] = ()
    on_overflow: Route | None = None
    on_budget: Route | None = None
    virtual: VirtualModel | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        """All targets in the order of the file."""
        return (*(route for route, _ in self.spread), *self.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """Every public name of it."""
        if self.virtual is None:
            return self.targets[0].names
        return tuple(dict.fromkeys((self.name, *self.virtual.expose_as)))

    @property
    def owner(self) -> str:
        return self.targets[0].provider.name if self.virtual is None else OWNER

    @property
    def settings(self) -> ModelSettings | VirtualModel:
        """Where its name for people stands."""
        return self.virtual or self.targets[0].settings


class Routes:
    """Models by their names, in the order of the file: all that are configured, or those that one caller may use."""

    def __init__(self, providers: Iterable[Provider], virtual: Mapping[str, VirtualModel] | None = None) -> None:
        known = list(providers)
        self._known = {provider.name: provider for provider in known}
        self._views: dict[tuple[str, ...], Routes] = {}
        routes = [Route(one, alias, model) for one in known for alias, model in one.settings.models.items()]
        by_name = {route.name: route for route in routes}
        models = [_model(name, settings, by_name) for name, settings in (virtual or {}).items()]
        self._index(routes, models, {provider.name for provider in known}, whose="")

    def seen_by(self, identity: Identity) -> Routes:
        """What a caller may use: whatever else is configured does not exist for it, in a refusal's words too."""
        if identity.models is None:
            return self
        if identity.models not in self._views:
            # As many as there are keys in the settings.
            routes = [route for route in self if may_use(identity, route.name)]
            virtual = [model for model in self._virtual.values() if may_use(identity, model.name)]
            self._views[identity.models] = self._only(routes, virtual)
        return self._views[identity.models]

    def _only(self, routes: Sequence[Route], virtual: Sequence[Model]) -> Routes:
        view = Routes(())
        view._index(routes, virtual, {route.provider.name for route in routes}, whose=" for this gateway key")
        return view

    def _index(self, routes: Sequence[Route], virtual: Sequence[Model], providers: Collection[str], whose: str) -> None:
        self._providers, self._whose = providers, whose
        self._virtual = {model.name: model for model in virtual}
        self._second = {name: model for model in virtual for name in model.names if name != model.name}
        self._routes = {route.name: route for route in routes}
        self._exposed = {name: route for route in routes for name in route.settings.expose_as}
        self._aliases: dict[str, list[str]] = {}
        for route in routes:
            self._aliases.setdefault(route.alias, []).append(route.name)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    @property
    def models(self) -> Iterator[Model]:
        """All that can be called: virtual models first."""
        yield from self._virtual.values()
        for route in self:
            yield Model(route.name, (route,))

    def find(self, model: str, *, any_id: bool = False) -> Model:
        """A virtual model, or the route of ``provider/alias``, of the name that it is exposed as, or of an alias that
        only one of these providers has. With ``any_id`` the only one that is the same Claude by another host's id will
        do. Raises ModelNotFound."""
        virtual = self._virtual.get(model) or self._second.get(model)
        if virtual is not None:
            return virtual
        route = self._routes.get(model) or self._exposed.get(model)
        if route is not None:
            return Model(route.name, (route,))
        candidates = self._aliases.get(model, [])
        if any_id and not candidates and model.startswith("arn:"):
            candidates = self._aliases.get(model.rpartition("/")[2], [])
        same = self._same_claude(model) if any_id and not candidates else []
        if len(same) == 1:
            return same[0]
        candidates = candidates or [found.name for found in same]
        if len(candidates) == 1:
            return Model(candidates[0], (self._routes[candidates[0]],))
        raise ModelNotFound(self._why_not(model, candidates), param="model")

    def _same_claude(self, model: str) -> list[Model]:
        """Those whose name or vendor's id is an id of the Claude that ``model`` is: of the same day, else of any."""
        provider, slash, id = model.partition("/")
        within = provider if slash and provider in self._providers else ""
        wanted = anthropics_id(id if within else model)
        if wanted is None:
            return []
        found: dict[str, list[Model]] = {}
        for one in self.models:
            if within and (one.virtual is not None or one.targets[0].provider.name != within):
                continue
            names = (one.name,) if one.virtual is not None else (one.targets[0].alias, one.targets[0].model)
            for name, day in filter(None, map(anthropics_id, names)):
                if name == wanted[0] and one not in found.get(day, []):
                    found.setdefault(day, []).append(one)
        if wanted[1] in found:
            return found[wanted[1]]
        return list({one.name: one for day in found if "" in (day, wanted[1]) for one in found[day]}.values())

    def able(self, model: Model, endpoint: str) -> Model:
        """What of a model can be asked at an endpoint. Raises ModelNotFound."""
        if not endpoint or all(_has(route, endpoint) for route in model.routes):
            return model
        able = replace(
            model,
            targets=tuple(route for route in model.targets if _has(route, endpoint)),
            spread=tuple(target for target in model.spread if _has(target[0], endpoint)),
            on_overflow=model.on_overflow if model.on_overflow and _has(model.on_overflow, endpoint) else None,
            on_budget=model.on_budget if model.on_budget and _has(model.on_budget, endpoint) else None,
        )
        if able.routes:
            return able
        others = [one.name for one in self.models if any(_has(route, endpoint) for route in one.routes)]
        shown = ", ".join(others[:MOST_NAMED]) + (", ..." if len(others) > MOST_NAMED else "")
        advice = f"models that have it: {shown}" if others else f"no model{self._whose or ' here'} has"
        raise ModelNotFound(f"model {model.name!r} has no {endpoint}; {advice}", param="model")

    def raw_provider(self, name: str, path: str, identity: Identity) -> Route:
        """The provider whose other paths a caller may reach. Raises NotFound, without a word of why."""
        provider = self._known.get(name)
        may = identity.models is None or not {"*", f"{name}/*"}.isdisjoint(identity.models)
        if provider is None or not may or not provider.settings.passthrough or not _begins(path, provider):
            raise NotFound(f"{path[:200]} is no path of {name[:64]} that you may call")
        return Route(provider, "*", ModelSettings())

    def stored_provider(self, dialect: str, wanted: str) -> Route:
        """The provider that keeps what clients of ``dialect`` stored: the one called ``wanted``, or the only one.

        Raises NotFound and InvalidRequest.
        """
        storing = {
            route.provider.name: route.provider
            for route in self
            if route.provider.stores(dialect) and dialect in route.provider.dialects_of(route.model, route.settings)
        }
        if not storing:
            raise NotFound("no available model has a vendor that stores answers")
        if not wanted and len(storing) > 1:
            raise InvalidRequest(f"the header {STORED_PROVIDER} is missing; set it to one of: {', '.join(storing)}")
        provider = storing.get(wanted) if wanted else next(iter(storing.values()))
        if provider is None:
            raise NotFound(
                f"the header {STORED_PROVIDER} must name a provider that stores answers: {', '.join(storing)}"
            )
        return Route(provider, "*", ModelSettings())

    def _why_not(self, model: str, candidates: list[str]) -> str:
        shown = model if len(model) <= 200 else model[:200] + "..."
        if candidates:
            return f"model {shown!r} is ambiguous; candidates: {', '.join(candidates)}"
        provider, slash, _ = model.partition("/")
        what = f"provider {provider[:64]!r} (of model {shown!r})" if slash and provider not in self._providers else None
        nearest = self._nearest(model[:200])
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        return f"{what or f'model {shown!r}'} does not exist{self._whose}{hint}"

    def _nearest(self, model: str) -> str | None:
        """The closest configured name, by its full spelling or by its alias, in whatever case."""
        model = model.lower()
        names = {name.lower(): name for name in (*self._virtual, *self._second, *self._routes, *self._exposed)}
        names |= {alias.lower(): all_[0] for alias, all_ in self._aliases.items()}
        found = difflib.get_close_matches(model, list(names), 1, 0.5)
        if not found:
            found = difflib.get_close_matches(model.rpartition("/")[2], list(names), 1, 0.5)
        return names[found[0]] if found else next(iter((*self._virtual, *self._routes)), None)


def _begins(path: str, provider: Provider) -> bool:
    """Whether a path lies below one that is passed on."""
    starts = (one.rstrip("/") for one in provider.settings.passthrough_paths)
    return any(path == start or path.startswith(f"{start}/") for start in starts)


def _has(route: Route, endpoint: str) -> bool:
    return route.provider.has(endpoint, route.model, route.settings)


def _model(name: str, settings: VirtualModel, routes: Mapping[str, Route]) -> Model:
    """The settings have been checked: every target is there."""
    return Model(
        name,
        tuple(routes[target] for target in settings.targets),
        tuple((routes[target.model], target.weight) for target in settings.spread),
        routes[settings.on_overflow] if settings.on_overflow is not None else None,
        routes[settings.on_budget] if settings.on_budget is not None else None,
        settings,
    )

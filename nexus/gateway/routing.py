"""Resolves a client's model name: to one route, or to the targets of a virtual model.

Only configured models exist; the error for an unknown name suggests the nearest known one. A virtual name wins over an
alias of the same spelling. A caller who may use only the virtual name reaches its targets only through it.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from nexus.auth.identity import Identity, may_use
from nexus.dataclasses import dataclass, replace
from nexus.errors import ModelNotFound, NotFound
from nexus.models.names import anthropics_id
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.settings.model import ModelSettings
from nexus.settings.virtual import VirtualModel

MOST_NAMED = 10
"""Models that an error lists in place of one that does not exist or lacks an endpoint."""

MOST_COMPARED = 20
"""Maximum number of names to compare closely with an unknown one: each takes 0.1 ms, on the loop."""

LONGEST_ID = 2048
"""Maximum length of an id to compare with other hosts' ids, which are remembered; no ARN is longer."""

OWNER = "nexus"
"""The ``owned_by`` of virtual models."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a public name stands for. ``spread`` are targets with their weights, ``targets`` those tried after them in
    order; ``virtual`` is None if ``targets`` is the one model that was named.
    """

    name: str
    targets: tuple[Route, ...]
    spread: tuple[tuple[Route, float], ...] = ()
    on_overflow: Route | None = None
    on_budget: Route | None = None
    virtual: VirtualModel | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        """All targets in configuration order."""
        return (*(route for route, _ in self.spread), *self.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """Every public name of this model."""
        if self.virtual is None:
            return self.targets[0].names
        return tuple(dict.fromkeys((self.name, *self.virtual.expose_as)))

    @property
    def context(self) -> int | None:
        """The context window, if the settings have it; the largest among the targets of a virtual model, because calls
        that do not fit one go to another."""
        others = (route for route in (self.on_overflow, self.on_budget) if route is not None)
        return max(filter(None, (route.settings.context for route in (*self.routes, *others))), default=None)

    @property
    def owner(self) -> str:
        return self.targets[0].provider.name if self.virtual is None else OWNER

    @property
    def settings(self) -> ModelSettings | VirtualModel:
        """The settings with its display name."""
        return self.virtual or self.targets[0].settings


class Routes:
    """Models by name in configuration order: all configured ones, or those that one caller may use."""

    def __init__(self, providers: Iterable[Provider], virtual: Mapping[str, VirtualModel] | None = None) -> None:
        known = list(providers)
        self._viewer: Identity | None = None
        self._known = {provider.name: provider for provider in known}
        routes = [Route(one, alias, model) for one in known for alias, model in one.settings.models.items()]
        self._routes = {route.name: route for route in routes}
        self._virtual = {name: _model(name, settings, self._routes) for name, settings in (virtual or {}).items()}
        models = self._virtual.values()
        self._second = {name: model for model in models for name in model.names if name != model.name}
        self._exposed = {name: route for route in routes for name in route.settings.expose_as}
        self._aliases: dict[str, list[str]] = {}
        for route in routes:
            self._aliases.setdefault(route.alias, []).append(route.name)
        self._claudes = _claudes(self.models)
        self._spelled: dict[str, list[Model]] = {}
        for model in self.models:
            for name in (*model.names, *(route.alias for route in model.routes if model.virtual is None)):
                self._spelled.setdefault(name.lower(), []).append(model)

    def seen_by(self, identity: Identity) -> Routes:
        """The models that a caller may use. Others do not exist for it, not even in error messages."""
        if identity.models is None:
            return self
        # It shares all tables: there may be thousands of keys, and thousands of models for each.
        view = copy.copy(self)
        view._viewer = identity
        return view

    def _sees(self, name: str) -> bool:
        return self._viewer is None or may_use(self._viewer, name)

    def _aliased(self, alias: str) -> list[str]:
        return [name for name in self._aliases.get(alias, ()) if self._sees(name)]

    def _sees_provider(self, name: str) -> bool:
        if self._viewer is None or name not in self._known:
            return name in self._known
        return any(self._sees(f"{name}/{alias}") for alias in self._known[name].settings.models)

    def __iter__(self) -> Iterator[Route]:
        return (route for route in self._routes.values() if self._sees(route.name))

    @property
    def models(self) -> Iterator[Model]:
        """All callable models, virtual ones first."""
        yield from (model for model in self._virtual.values() if self._sees(model.name))
        for route in self:
            yield Model(route.name, (route,))

    def find(self, model: str, *, any_id: bool = False) -> Model:
        """A virtual model, or the route named by ``provider/alias``, by a name that it is exposed as, or by an alias
        that only one provider has. With ``any_id`` also the only model that is the same Claude under another host's id.
        Raises ModelNotFound."""
        virtual = self._virtual.get(model) or self._second.get(model)
        if virtual is not None and self._sees(virtual.name):
            return virtual
        route = self._routes.get(model) or self._exposed.get(model)
        if route is not None and self._sees(route.name):
            return Model(route.name, (route,))
        candidates = self._aliased(model)
        if any_id and not candidates and model.startswith("arn:"):
            candidates = self._aliased(model.rpartition("/")[2])
        same = self._same_claude(model) if any_id and not candidates else []
        if len(same) == 1:
            return same[0]
        candidates = candidates or [found.name for found in same]
        if len(candidates) == 1:
            return Model(candidates[0], (self._routes[candidates[0]],))
        raise ModelNotFound(self._why_not(model, candidates), param="model")

    def _same_claude(self, model: str) -> list[Model]:
        """The models that are the same Claude as ``model``: of the same date if any, else of an unspecified date."""
        provider, slash, id = model.partition("/")
        within = provider if slash and self._sees_provider(provider) else ""
        wanted = anthropics_id(id if within else model) if len(model) <= LONGEST_ID else None
        if wanted is None:
            return []
        found: dict[str, list[Model]] = {}
        for day, one in self._claudes.get(wanted[0], ()):
            elsewhere = within and (one.virtual is not None or one.targets[0].provider.name != within)
            if not elsewhere and self._sees(one.name) and one not in found.get(day, []):
                found.setdefault(day, []).append(one)
        if wanted[1] in found:
            return found[wanted[1]]
        return list({one.name: one for day in found if "" in (day, wanted[1]) for one in found[day]}.values())

    def able(self, model: Model, endpoint: str) -> Model:
        """The model reduced to targets that have the endpoint. Raises ModelNotFound if none does."""
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
        others = (one.name for one in self.models if any(_has(route, endpoint) for route in one.routes))
        advice = _listed("; models that have it", others) or f"; no model{self._whose or ' here'} has it"
        raise ModelNotFound(f"model {model.name!r} has no {endpoint}{advice}", param="model")

    def raw_provider(self, name: str, path: str, identity: Identity) -> Route:
        """The provider whose passthrough paths a caller may reach. Raises NotFound, which does not reveal why."""
        provider = self._known.get(name)
        may = identity.models is None or not {"*", f"{name}/*"}.isdisjoint(identity.models)
        if provider is None or not may or not provider.settings.passthrough or not _begins(path, provider):
            raise NotFound(f"{path[:200]} is not a path of {name[:64]} that you may call")
        return Route(provider, "*", ModelSettings())

    def storing(self, dialect: str) -> dict[str, Route]:
        """The providers that store answers for clients of ``dialect``, by name."""
        found: dict[str, Route] = {}
        for route in self._routes.values():
            provider = route.provider
            stores = provider.name not in found and provider.stores(dialect)
            if stores and dialect in provider.dialects_of(route.model, route.settings) and self._sees(route.name):
                found[provider.name] = Route(provider, "*", ModelSettings())
        return found

    @property
    def _whose(self) -> str:
        return "" if self._viewer is None else " for this gateway key"

    def _why_not(self, model: str, candidates: list[str]) -> str:
        shown = model if len(model) <= 200 else model[:200] + "..."
        if candidates:
            return f"model {shown!r} is ambiguous; candidates: {', '.join(candidates)}"
        provider, slash, _ = model.partition("/")
        what = (
            f"provider {provider[:64]!r} (of model {shown!r})" if slash and not self._sees_provider(provider) else None
        )
        nearest = self._nearest(model[:200])
        hint = (
            f"; did you mean {nearest!r}?" if nearest else _listed("; models here", (one.name for one in self.models))
        )
        return f"{what or f'model {shown!r}'} does not exist{self._whose}{hint}"

    def _nearest(self, model: str) -> str | None:
        """The closest configured name or alias, ignoring case."""
        model = model.lower()
        pairs = _pairs(model)
        ranked = sorted(self._spelled, key=lambda name: len(pairs & _pairs(name)), reverse=True)
        likely = list(islice((name for name in ranked if self._spelling(name)), MOST_COMPARED))
        found = difflib.get_close_matches(model, likely, 1, 0.5)
        if not found:
            found = difflib.get_close_matches(model.rpartition("/")[2], likely, 1, 0.5)
        if found:
            return self._spelling(found[0])
        return next(filter(None, (self._spelling(name) for name in self._spelled if model in name)), None)

    def _spelling(self, name: str) -> str | None:
        """The name of a model that the caller sees, given a name or alias in lower case."""
        for model in self._spelled[name]:
            if self._sees(model.name):
                return next((known for known in model.names if known.lower() == name), model.name)
        return None


def _listed(what: str, names: Iterable[str]) -> str:
    """The first ``MOST_NAMED`` names as the end of a message; "" if there is none."""
    shown = list(islice(names, MOST_NAMED + 1))
    return f"{what}: {', '.join([*shown[:MOST_NAMED], *('...' for _ in shown[MOST_NAMED:])])}" if shown else ""


def _pairs(name: str) -> set[str]:
    return {name[at : at + 2] for at in range(len(name) - 1)}


def _begins(path: str, provider: Provider) -> bool:
    """Whether a path lies at or below a passthrough path."""
    starts = (one.rstrip("/") for one in provider.settings.passthrough_paths)
    return any(path == start or path.startswith(f"{start}/") for start in starts)


def _has(route: Route, endpoint: str) -> bool:
    return route.provider.has(endpoint, route.model, route.settings)


def _claudes(models: Iterable[Model]) -> dict[str, list[tuple[str, Model]]]:
    """The Claudes among the models by Anthropic's id without a date, each with its date."""
    found: dict[str, list[tuple[str, Model]]] = {}
    for one in models:
        names = (one.name,) if one.virtual is not None else (one.targets[0].alias, one.targets[0].model)
        for name, day in filter(None, map(anthropics_id, names)):
            found.setdefault(name, []).append((day, one))
    return found


def _model(name: str, settings: VirtualModel, routes: Mapping[str, Route]) -> Model:
    """The settings have been validated: every target exists."""
    return Model(
        name,
        tuple(routes[target] for target in settings.targets),
        tuple((routes[target.model], target.weight) for target in settings.spread),
        routes[settings.on_overflow] if settings.on_overflow is not None else None,
        routes[settings.on_budget] if settings.on_budget is not None else None,
        settings,
    )

"""Model lists and single models, in the dialect of the path.

Loop thread only. Lists exactly the models that the caller may call.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from nexus.dataclasses import replace
from nexus.errors import NotFound
from nexus.gateway.routing import Model
from nexus.models.efforts import PLAIN
from nexus.models.released import released
from nexus.protocols.dialect import ModelCard
from nexus.provider.route import Route
from nexus.server.endpoints.base import ReadHandler
from nexus.wire import Json, encode


def card(model: Model, written_at: float) -> ModelCard:
    """Returns a model's card. It is created on its release day, or, if that is unknown or the model is virtual, at
    ``written_at``, when the configuration was written."""
    day = released(model.targets[0].model) if model.virtual is None else None
    created = written_at if day is None else datetime.combine(day, datetime.min.time(), UTC).timestamp()
    return ModelCard(
        model.name,
        model.owner,
        int(created),
        display_name=model.settings.display_name,
        description=model.settings.description,
        context=model.context,
        efforts=_efforts(model.routes[0]),
    )


def _efforts(route: Route) -> tuple[str, ...]:
    """Returns the model's effort levels; empty if it does not think or this is unknown."""
    dialect = route.provider.dialects_of(route.model, route.settings)[0]
    target = route.provider.target(dialect, route.model, route.settings)
    match dialect:
        case "messages":
            thinks = target.claude.known and target.claude.thinking != "none"
            return target.claude.efforts or (PLAIN[:3] if thinks else ())
        case "gemini":
            return PLAIN[:3] if target.gemini.levels or target.gemini.budgets is not None else ()
        case _:
            return target.gpt.efforts if target.gpt is not None and target.gpt.reasons else ()


class _Reader(ReadHandler):
    def answer(self, document: Mapping[str, Json]) -> None:
        self.set_header(self.dialect.id_header, self.id)
        self.send(encode(document))


class ModelListHandler(_Reader):
    def get(self) -> None:
        models = self.runtime.gateway.routes.seen_by(self.identity).models
        written_at = self.runtime.settings.origin.written_at
        made = ((card(model, written_at), model.names) for model in models)
        cards = [replace(one, id=name) for one, names in made for name in names]
        self.answer(self.dialect.write_models(cards, self.query()))


class ModelHandler(_Reader):
    def _check_request(self) -> None:
        # Google's SDKs have more operations on a model than are served; such a path is unknown, not for GET only.
        if self.request.method == "POST" and ":" in self.request.path:
            raise NotFound(f"{self.request.path} does not exist")
        super()._check_request()

    def get(self, name: str) -> None:
        requested = unquote(name)
        model = self.runtime.gateway.routes.seen_by(self.identity).find(requested)
        name = requested if requested in model.names else model.name
        one = card(model, self.runtime.settings.origin.written_at)
        self.answer(self.dialect.write_model(replace(one, id=name)))

"""Model lists, and single models, in the dialect of the path.

Law: loop thread only; what is listed is what can be called.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote

from nexus.models.released import released
from nexus.protocols.dialect import ModelCard
from nexus.provider import Route
from nexus.server.base import BaseHandler
from nexus.wire import encode


def card(route: Route, name: str, written_at: float) -> ModelCard:
    """The model came to be on the day of its release, or when it was written into the configuration."""
    day, settings = released(route.model), route.settings
    created = written_at if day is None else datetime.combine(day, datetime.min.time(), UTC).timestamp()
    return ModelCard(
        name,
        route.provider.name,
        int(created),
        display_name=settings.display_name,
        description=settings.description,
    )


class ModelListHandler(BaseHandler):
    def get(self) -> None:
        routes = self.context.gateway.routes.seen_by(self.identity)
        written_at = self.context.settings.written_at
        cards = [card(route, name, written_at) for route in routes for name in route.names]
        self.send(encode(self.dialect.write_models(cards, self.query())))

    def head(self) -> None:
        self.get()


class ModelHandler(BaseHandler):
    def get(self, name: str) -> None:
        asked = unquote(name)
        route = self.context.gateway.routes.seen_by(self.identity).find(asked)
        name = asked if asked in route.names else route.name
        self.send(encode(self.dialect.write_model(card(route, name, self.context.settings.written_at))))

    def head(self, name: str) -> None:
        self.get(name)

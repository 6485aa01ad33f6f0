"""Model lists, and single models, in the dialect of the path.

Law: loop thread only; what is listed is what can be called.
"""

from __future__ import annotations

from urllib.parse import unquote

from nexus.auth.identity import may_use
from nexus.errors import ModelNotFound
from nexus.protocols.base import ModelCard
from nexus.routing import Route
from nexus.server.base import BaseHandler
from nexus.wire import encode


def card(route: Route, name: str) -> ModelCard:
    settings = route.settings
    return ModelCard(name, route.provider.name, display_name=settings.display_name, description=settings.description)


class ModelListHandler(BaseHandler):
    def get(self) -> None:
        routes = [route for route in self.house.gateway.routes if may_use(self.identity, route.name)]
        cards = [card(route, name) for route in routes for name in route.names]
        self.send(encode(self.dialect.write_models(cards, self.query())))


class ModelHandler(BaseHandler):
    def get(self, name: str) -> None:
        asked = unquote(name)
        route = self.house.gateway.routes.find(asked)
        if not may_use(self.identity, route.name):
            raise ModelNotFound(f"model {route.name!r} does not exist for this gateway key", param="model")
        self.send(encode(self.dialect.write_model(card(route, asked if asked in route.names else route.name))))

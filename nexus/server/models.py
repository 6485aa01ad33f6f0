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


def card(route: Route) -> ModelCard:
    return ModelCard(id=route.name, owner=route.provider.name, display_name=route.settings.display_name)


class ModelListHandler(BaseHandler):
    def get(self) -> None:
        cards = [card(route) for route in self.house.gateway.routes if may_use(self.identity, route.name)]
        self.send(encode(self.dialect.write_models(cards, self.query())))


class ModelHandler(BaseHandler):
    def get(self, name: str) -> None:
        route = self.house.gateway.routes.find(unquote(name))
        if not may_use(self.identity, route.name):
            raise ModelNotFound(f"model {route.name!r} does not exist for this gateway key", param="model")
        self.send(encode(self.dialect.write_model(card(route))))

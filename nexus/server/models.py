"""Model lists, and single models, in the dialect of the path.

Law: loop thread only; what is listed is what can be called.
"""

from __future__ import annotations

from urllib.parse import unquote

from nexus.protocols.base import ModelCard
from nexus.routing import Route
from nexus.server.base import BaseHandler
from nexus.wire import encode


def card(route: Route) -> ModelCard:
    return ModelCard(id=route.name, owner=route.provider.name, display_name=route.settings.display_name)


class ModelListHandler(BaseHandler):
    def get(self) -> None:
        cards = [card(route) for route in self.house.gateway.routes]
        self.send(encode(self.dialect.write_models(cards, self.query())))


class ModelHandler(BaseHandler):
    def get(self, name: str) -> None:
        route = self.house.gateway.routes.find(unquote(name))
        self.send(encode(self.dialect.write_model(card(route))))

"""A client on a raw socket, for requests that HTTP libraries do not send."""

import json
from collections.abc import Mapping
from typing import Any

from tests.serving import Nexus, Reply
from tools import raw_client
from tools.raw_client import PATIENCE, head

__all__ = ["PATIENCE", "RawClient", "head", "request"]


class RawClient(raw_client.RawClient):
    def __init__(self, nexus: Nexus) -> None:
        super().__init__(nexus.port)

    def reply(self, method: str = "POST") -> Reply:
        return Reply(*self.answer(method))


def request(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw_client.request(path, raw, headers)

"""The base path of a protocol, which programs look at before they begin.

Law: open and constant: it tells nothing but that somebody is here, so that it can be answered before any credential.
Source: Claude Code asks ``HEAD`` of its base URL, and ``/api/hello``, which some programs look for below the base and
some at the root.
"""

from __future__ import annotations

from nexus.server.base import BaseHandler
from nexus.wire import encode

PATH = "/api/hello"


class HelloHandler(BaseHandler):
    guarded = False

    def get(self) -> None:
        self.send(encode({"message": "hello"}))

    def head(self) -> None:
        self.get()

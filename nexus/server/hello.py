"""The base path of a protocol, which programs look at before they begin.

Open and constant: it tells nothing but that somebody is here, so that it can be answered before any credential.
Source: Claude Code asks ``HEAD`` of its base URL, and ``/api/hello``, which some programs look for below the base and
some at the root.
"""

from __future__ import annotations

from nexus.server.home import PageHandler
from nexus.wire import encode

PATH = "/api/hello"


class HelloHandler(PageHandler):
    def get(self) -> None:
        if "text/html" in self.request.headers.get("Accept", ""):
            self.send_page()
            return
        self.send(encode({"message": "hello"}))

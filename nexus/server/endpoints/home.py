"""Endpoints that need no credential: a page about this server, a hello, OAuth metadata, liveness and readiness.

All are small, never block and call no vendor. The page shows only paths: no key, model, vendor or version. It has no
scripts and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html

from nexus.auth.metadata import document
from nexus.errors import NotFound
from nexus.protocols.dialect import Dialect
from nexus.server.endpoints.base import BaseHandler, ReadHandler
from nexus.server.endpoints.paths import SHOWN, bases
from nexus.server.guards import origin_of
from nexus.server.runtime import Runtime
from nexus.server.server import Server
from nexus.settings import Settings
from nexus.wire import encode

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:3em auto;padding:0 1em}code{overflow-wrap:anywhere}"
)
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Nexus</title>
<style>{style}</style>
<h1>Nexus</h1>
<p>One endpoint for language models of many vendors. Programs call these addresses:</p>
<dl>
{entries}
</dl>
<p>{credential}</p>
</html>
"""


class HomeHandler(ReadHandler):
    guarded = False

    def get(self) -> None:
        self.set_headers(HEADERS)
        self.send(page(self.runtime.settings, origin_of(self.request)).encode(), "text/html; charset=utf-8")


def page(settings: Settings, base: str) -> str:
    """Returns the page; ``base`` is this server's URL as the client sees it, or "" if unknown."""
    credential = (
        "Every call needs a gateway key or a token; ask the operator of this gateway for one."
        if settings.server.requires_credential
        else "No key is required. If a client insists on one, enter any text."
    )
    return PAGE.format(style=STYLE, entries=entries(settings, base), credential=credential)


def entries(settings: Settings, base: str) -> str:
    """Returns the names and addresses of what is served, as HTML."""
    served = bases(settings)
    found = [(f"Base URL of {one.protocol.clients}", base + one.url_path or "/") for one in served]
    found += [("Models", base + models) for one in served for models in one.models[:1]]
    if settings.server.health.enabled and not settings.server.health.listen:
        found += [("Health", f"{base}{settings.server.health.path}")]
    return "\n".join(f"<dt>{html.escape(name)}</dt><dd><code>{html.escape(value)}</code></dd>" for name, value in found)


class MetadataHandler(BaseHandler):
    """Protected resource metadata (RFC 9728): tells clients which authorization server issues tokens."""

    guarded = False

    def get(self) -> None:
        resource = self.runtime.guards.resource
        if resource is None:
            raise NotFound(f"{self.request.path} does not exist")
        self.send(encode(document(resource)))


HELLO = "/api/hello"
"""Before its first call, Claude Code sends ``HEAD`` to its base URL and requests this path; some programs request it
below the base URL, others at the root."""


class HelloHandler(HomeHandler):
    def get(self) -> None:
        if "text/html" in self.request.headers.get("Accept", ""):
            super().get()
        else:
            self.send(encode({"message": "hello"}))


class HealthHandler(ReadHandler):
    """Liveness: 200 as long as the process can answer, even while it stops, because an unhealthy one gets restarted."""

    guarded = False

    def get(self) -> None:
        self.send(encode({"status": "draining" if self.server.lifecycle.is_stopping else "healthy"}))


class ReadyHandler(ReadHandler):
    """Readiness: 200 while new calls are accepted; 503 after the signal to stop, while the port is still open. With
    ``config``, operators can compare the settings of several machines."""

    guarded = False

    def get(self) -> None:
        is_ready = self.server.lifecycle.is_ready
        if not is_ready:
            self.set_status(503)
        status, config = "ready" if is_ready else "stopping", self.runtime.settings.origin.digest
        self.send(encode({"status": status, **({"config": config} if config else {})}))


class NothingElse(BaseHandler):
    """Answers 404 with the paths that exist, at every other path of a separate address, which requires no key."""

    guarded = False
    served: tuple[str, ...]

    def initialize(  # type: ignore[override]
        self, server: Server, runtime: Runtime, dialect: Dialect, served: tuple[str, ...]
    ) -> None:
        super().initialize(server, runtime, dialect)
        self.served = served

    def check_host(self) -> None:
        return

    def _check_request(self) -> None:
        raise NotFound(f"{self.request.path[:SHOWN]} does not exist: this address serves {' and '.join(self.served)}")

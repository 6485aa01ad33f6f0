"""The dashboard page: one static file, which may run only its own script and call only its own server.

It needs no credential and contains no data. Values inserted into it come from the settings and are escaped. The content
security policy allows script and style by hash, so injected code cannot run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import re
from pathlib import Path

from nexus.dataclasses import dataclass
from nexus.server.endpoints.home import HEADERS, HomeHandler, entries
from nexus.server.guards import origin_of
from nexus.settings import Settings

FILE = Path(__file__).with_name("page.html")
HTML = "text/html"

POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """The page with placeholders in double braces, and its content security policy."""

    template: str
    policy: str


@functools.cache
def page() -> DashboardPage:
    text = FILE.read_text()
    return DashboardPage(text, POLICY.format(script=_hashes(text, "script"), style=_hashes(text, "style")))


def _hashes(text: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in found)


def render(settings: Settings, origin: str) -> str:
    """Returns the page; ``origin`` is this server's URL as the client sees it, or "" if unknown."""
    own = settings.server
    values = {
        "root": "../" * (own.dashboard.folder.count("/") - 1) or "./",
        "csrf": html.escape(own.csrf.header_name),
        "endpoints": entries(settings, origin),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], page().template)


class DashboardHandler(HomeHandler):
    """Serves the dashboard; at ``/``, clients that do not accept HTML get the short page instead."""

    def get(self) -> None:
        self.set_header("Vary", "Accept")
        if self.request.path == "/" and HTML not in self.request.headers.get("Accept", ""):
            super().get()
            return
        self.set_headers({**HEADERS, "Content-Security-Policy": page().policy})
        self.send(render(self.runtime.settings, origin_of(self.request)).encode(), f"{HTML}; charset=utf-8")

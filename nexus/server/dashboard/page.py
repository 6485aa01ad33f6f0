"""The page itself: one file, the same for everybody, that may run its own script and call its own server alone.

Open and without data. What goes into the file comes from the settings and is escaped; the policy names script and
style by their hashes, so that nothing that gets into the page could run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import re
from pathlib import Path

from nexus.dataclasses import dataclass
from nexus.server.guards import origin_of
from nexus.server.home import HEADERS, HomeHandler, entries
from nexus.settings import Settings

FILE = Path(__file__).with_name("page.html")
HTML = "text/html"

POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class Page:
    """The file as it is, with names in double braces for what the settings say, and the policy that goes with it."""

    template: str
    policy: str


@functools.cache
def page() -> Page:
    text = FILE.read_text()
    return Page(text, POLICY.format(script=_hashes(text, "script"), style=_hashes(text, "style")))


def _hashes(text: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in found)


def render(settings: Settings, origin: str) -> str:
    """For a server that is called at ``origin``; "" where that is not known."""
    own = settings.server
    values = {
        "root": "../" * (own.dashboard.folder.count("/") - 1) or "./",
        "csrf": html.escape(own.csrf.header_name),
        "endpoints": entries(settings, origin),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], page().template)


class DashboardHandler(HomeHandler):
    """At ``/`` programs, and people who have no browser, get the short text in its place."""

    def get(self) -> None:
        self.set_header("Vary", "Accept")
        if self.request.path == "/" and HTML not in self.request.headers.get("Accept", ""):
            super().get()
            return
        self.set_headers({**HEADERS, "Content-Security-Policy": page().policy})
        self.send(render(self.runtime.settings, origin_of(self.request)).encode(), f"{HTML}; charset=utf-8")

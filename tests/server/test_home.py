"""The page at ``/``: shows people the endpoints, and reveals nothing else to strangers."""

import base64
import hashlib
import re

from tests.auth.kit import ALICE
from tests.conftest import Serve
from tests.serving import KEY, Nexus, openai_config

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_the_endpoints_are_shown_with_the_browsers_address(nexus: Nexus) -> None:
    reply = nexus.request("GET", "/", headers={"Host": "localhost:8000"})
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    text = reply.body.decode()
    for path in ("/llm/openai/v1", "/llm/anthropic", "/llm/openai/v1/models", "/health"):
        assert f"<code>http://localhost:8000{path}</code>" in text
    assert "<code>http://localhost:8000/llm/anthropic/v1</code>" not in text


def test_health_at_another_address_is_not_shown(serve: Serve) -> None:
    page = serve('[server.health]\nlisten = "127.0.0.1:0"\n' + openai_config("http://127.0.0.1:9")).request("GET", "/")
    assert b"/llm/openai/v1</code>" in page.body and b"/health" not in page.body


def test_behind_a_proxy_that_speaks_https(nexus: Nexus) -> None:
    reply = nexus.request("GET", "/", headers={"Host": "localhost", "X-Forwarded-Proto": "https"})
    assert b"<code>https://localhost/llm/openai/v1</code>" in reply.body


def test_the_page_has_no_scripts_or_external_content_and_cannot_be_framed(nexus: Nexus) -> None:
    reply = nexus.request("GET", "/")
    policy = reply.headers["content-security-policy"]
    style = re.search(rb"<style>(.*)</style>", reply.body)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "frame-ancestors 'none'" in policy
    assert (reply.headers["x-content-type-options"], reply.headers["x-frame-options"]) == ("nosniff", "DENY")
    assert (reply.headers["referrer-policy"], reply.headers["cache-control"]) == ("no-referrer", "no-store")
    assert not re.search(rb"<script|<img|<link|src=|href=", reply.body)


def test_with_keys_it_shows_neither_models_nor_keys(serve: Serve) -> None:
    config = f'[server.keys.alice]\nkey = "{ALICE}"\n' + openai_config("http://127.0.0.1:9")
    reply = serve(config).request("GET", "/")
    assert reply.status == 200
    for word in (ALICE, "alice", KEY, "gpt-4", "smart"):
        assert word.encode() not in reply.body
    assert b"needs a gateway key" in reply.body


def test_a_base_url_opened_in_a_browser_shows_the_page(nexus: Nexus) -> None:
    assert b"<h1>Nexus</h1>" in nexus.request("GET", "/llm/anthropic", headers=BROWSER).body
    assert nexus.request("GET", "/llm/anthropic").json == {"message": "hello"}

"""The guards in the running server: which callers wait, which are rejected, and that the event loop never blocks."""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from tornado.httputil import HTTPHeaders

from nexus.auth.authenticator import Authenticator
from nexus.errors import NexusError
from nexus.gateway.stages import identify
from nexus.server.guards import Guards, header_lines
from nexus.server.server import Server
from nexus.server.sockets.listening import tls_context
from nexus.settings.guards import TlsSettings
from nexus.settings.problems import CannotServe
from tests.auth.kit import ALICE, HARD_LIMIT, IdentityProvider, ec_key, lines, stall, tables, token
from tests.conftest import Serve
from tests.peers import write_certificate
from tests.serving import Nexus, Reply, bearer

ECHO = '[llm.providers.e]\ntype = "echo"\nmodels.m = {}\n'
KEYS = f'[server.keys.alice]\nkey = "{ALICE}"\n'
PAGE = {"Origin": "https://page.example"}
PREFLIGHT = {**PAGE, "Access-Control-Request-Method": "POST"}
CORS = f'[server.cors]\nallow_origins = ["{PAGE["Origin"]}"]\nallow_methods = "POST"\n'
CSRF = "[server.csrf]\nenabled = true\n"


def ask(nexus: Nexus, headers: dict[str, str] | None = None, method: str = "GET") -> Reply:
    return nexus.request(method, "/llm/openai/v1/models", headers=headers)


def test_too_many_trusted_hops_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    guards = Guards.of(tables(client_ip={"x_forwarded_for_trusted_hops": 1}))
    for forwarded, caller in (({}, "127.0.0.1"), ({"X-Forwarded-For": "6.6.6.6, 1.2.3.4"}, "6.6.6.6")):
        assert guards.caller_ip(lines(forwarded), "127.0.0.1") == caller
    assert caplog.records == []
    for _ in range(2):
        assert guards.caller_ip(lines({"X-Forwarded-For": "1.2.3.4"}), "127.0.0.1") == "127.0.0.1"
    (told,) = caplog.records
    assert "callers choose their own address" in told.getMessage()
    assert told.__dict__["fields"] == {"hops": 1, "missing": 1, "peer": "127.0.0.1"}


def test_callers_are_told_apart_by_the_address_that_a_trusted_proxy_reports(serve: Serve) -> None:
    limit = '[server.rate_limits]\nper_ip = { limit = 1, interval = "60s" }\n'
    nexus = serve(f"[server.client_ip]\nx_forwarded_for_trusted_hops = 0\n{limit}{ECHO}")
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.1")
    assert [ask(nexus, {"X-Forwarded-For": address}).status for address in addresses] == [200, 200, 429]


def test_a_page_may_call_an_open_gateway_only_from_an_allowed_origin(serve: Serve) -> None:
    nexus = serve(ECHO)
    assert ask(nexus).status == 200
    # DNS rebinding: a name that an attacker points at this address makes a page same-origin.
    for origin in (PAGE, {"Origin": f"http://rebound.example:{nexus.port}"}):
        assert ask(nexus, origin).status == 403
    refused = ask(nexus, PREFLIGHT, "OPTIONS")
    assert (refused.status, "access-control-allow-origin" in refused.headers) == (403, False)
    nexus = serve(CORS + ECHO)
    allowed = ask(nexus, PAGE)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, PAGE["Origin"])
    assert ask(nexus, {"Origin": "https://evil.example"}).status == 403


def test_with_a_valid_key_any_origin_may_call_and_gets_no_cors_headers(serve: Serve) -> None:
    reply = ask(serve(KEYS + ECHO), {**PAGE, **bearer(ALICE)})
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_preflights_need_no_key_and_pages_can_read_rejections(serve: Serve) -> None:
    nexus = serve(KEYS + CORS + CSRF + ECHO)
    asked = ask(nexus, PREFLIGHT, "OPTIONS")
    assert (asked.status, asked.body) == (204, b"")
    assert asked.headers["access-control-allow-methods"] == "POST, OPTIONS"
    sent: list[dict[str, str]] = [
        {},
        {"x-nexus-csrf-protection": "1"},
        {"x-nexus-csrf-protection": "1", **bearer(ALICE)},
    ]
    replies = [ask(nexus, {**PAGE, **more}) for more in sent]
    assert [reply.status for reply in replies] == [403, 401, 200]
    assert {reply.headers["access-control-allow-origin"] for reply in replies} == {PAGE["Origin"]}


def test_csrf_protection_requires_its_header(serve: Serve) -> None:
    nexus = serve(CSRF + ECHO)
    assert ask(nexus).status == 403
    assert ask(nexus, {"X-NEXUS-csrf-protection": ""}).status == 200
    nexus = serve(CSRF + 'header_name = "X-Mine"\n' + ECHO)
    assert ask(nexus, {"x-mine": "1"}).status == 200
    assert ask(nexus, {"x-nexus-csrf-protection": "1"}).status == 403


def test_a_stalling_identity_provider_does_not_block_callers_with_keys(serve: Serve) -> None:
    with IdentityProvider(stall) as provider, ThreadPoolExecutor(8) as pool:
        nexus = serve(KEYS + f'[server.oauth]\nurl = "{provider.url}"\n' + ECHO)
        waiting = [pool.submit(ask, nexus, bearer(token(ec_key()))) for _ in range(8)]
        provider.wait_for(1)
        assert [ask(nexus, bearer(ALICE)).status for _ in range(20)] == [200] * 20
        assert not any(call.done() for call in waiting)
        provider.stopped.set()
        assert [call.result(HARD_LIMIT).status for call in waiting] == [503] * 8
        assert provider.asked == 1


def test_a_client_that_disconnects_does_not_cancel_the_wait_of_others() -> None:
    async def main() -> None:
        with IdentityProvider(stall) as provider:
            settings = tables(oauth={"url": provider.url})
            authenticator = Authenticator.open(settings.client_identification, {}, settings.oauth)
            sent = header_lines(HTTPHeaders(bearer(token(ec_key()))))
            leaving, staying = (asyncio.ensure_future(identify(authenticator, sent, Server.wait)) for _ in range(2))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            authenticator.close()
            with pytest.raises(NexusError):
                await staying

    asyncio.run(main())


def test_repeated_header_lines_are_all_kept() -> None:
    headers = HTTPHeaders()
    headers.add("X-A", "1")
    headers.add("x-a", "2")
    headers.add("X-B", "3,4")
    assert header_lines(headers) == {"x-a": ["1", "2"], "x-b": ["3,4"]}


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_tls(tmp_path: Path) -> TlsSettings:
    certificate, key = write_certificate(tmp_path, ec_key("tls"))
    return TlsSettings(certificate=certificate, key=key)


def pem(key: Any, protection: Any) -> bytes:
    raw: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return raw


def test_unusable_tls_settings_are_reported(own_tls: TlsSettings) -> None:
    assert tls_context(own_tls).minimum_version is ssl.TLSVersion.TLSv1_2
    encrypted = serialization.BestAvailableEncryption(b"x")
    for content, message in (
        (pem(ec_key("another"), serialization.NoEncryption()), "the key does not match the certificate"),
        (pem(ec_key("tls"), encrypted), "one of the files is not PEM, or the key is encrypted"),
        (b"not a key", "one of the files is not PEM, or the key is encrypted"),
        (b"", "one of the files is not PEM, or the key is encrypted"),
    ):
        own_tls.key.write_bytes(content)
        with pytest.raises(CannotServe, match=message):
            tls_context(own_tls)
    own_tls.key.unlink()
    with pytest.raises(CannotServe, match="no such file"):
        tls_context(own_tls)

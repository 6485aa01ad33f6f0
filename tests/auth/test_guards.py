"""The guards in a real Tornado server: which callers wait, which are rejected, and that the event loop never blocks."""

import asyncio
import http.client
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from nexus.auth.authenticator import Authenticator
from nexus.errors import NexusError
from nexus.gateway.stages import identify
from nexus.server.guards import Guards, header_lines
from nexus.server.server import Server
from nexus.server.sockets.listening import TlsError, tls_context
from nexus.settings.guards import TlsSettings
from tests.auth.kit import ALICE, HARD_LIMIT, IdentityProvider, answer, ec_key, jwk, jwks, rsa_key, stall, tables, token


class Door(RequestHandler):
    """Runs the guards in the same order as the real handlers."""

    guards: Guards
    authenticator: Authenticator

    async def prepare(self) -> None:
        for name, value in self.guards.reply_headers(self.request).items():
            self.set_header(name, value)
        allowed = self.guards.preflight(self.request)
        if allowed is not None:
            for name, value in allowed.items():
                self.set_header(name, value)
            self.set_status(204)
            await self.finish()
            return
        try:
            self.guards.check_page(self.request)
            identity = await identify(self.authenticator, header_lines(self.request.headers), Server.wait)
        except NexusError as error:
            self.set_status(error.status)
            for name, value in self.guards.challenge(error).items():
                self.set_header(name, value)
            await self.finish(error.message)
            return
        await self.finish(
            {
                "source": identity.source,
                "key": identity.key,
                "ip": self.guards.caller_ip(header_lines(self.request.headers), self.request.remote_ip or ""),
            }
        )


@contextmanager
def door(context: ssl.SSLContext | None = None, **server: Any) -> Iterator[int]:
    """Runs a server with these tables on its own thread; yields the port."""
    settings = tables(**server)
    ready: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        authenticator = Authenticator.open(settings.client_identification, settings.keys, settings.oauth)
        handler = type("Handler", (Door,), {"guards": Guards.of(settings), "authenticator": authenticator})
        sockets = bind_sockets(0, "127.0.0.1")
        running = HTTPServer(Application([(".*", handler)]), ssl_options=context)
        running.add_sockets(sockets)
        stop = asyncio.Event()
        ready.set_result((sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
        await stop.wait()
        authenticator.close()
        running.stop()
        await running.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    port, loop, stop = ready.result(HARD_LIMIT)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(HARD_LIMIT)
        assert not thread.is_alive()


def ask(port: int, method: str = "GET", headers: Any = (), timeout: float = HARD_LIMIT) -> tuple[int, Any, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.putrequest(method, "/")
        for name, value in headers.items() if isinstance(headers, dict) else headers:
            connection.putheader(name, value)
        connection.endheaders()
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read().decode()
    finally:
        connection.close()


def auth(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


KEYS = {"alice": {"key": ALICE}}
DAY_ONE, DAY_LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
PAGE = {"Origin": "https://page.example"}


def test_gateway_keys_are_checked() -> None:
    with door(keys=KEYS, client_ip={"x_forwarded_for_trusted_hops": 0}) as port:
        status, _, body = ask(port, headers={**auth(ALICE), "X-Forwarded-For": "1.2.3.4"})
        assert (status, body) == (200, '{"source": "key", "key": "alice", "ip": "1.2.3.4"}')
        status, headers, body = ask(port, headers=auth(ALICE[:-1]))
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="nexus"')
        assert ALICE[:-1] not in body
        assert ask(port, headers=[("x-api-key", ALICE), ("X-Api-Key", ALICE)])[0] == 400


def test_too_many_trusted_hops_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with door(client_ip={"x_forwarded_for_trusted_hops": 1}) as port:
        for forwarded in ({}, {"X-Forwarded-For": "6.6.6.6, 1.2.3.4"}):
            ask(port, headers=forwarded)
        assert caplog.records == []
        for _ in range(2):
            assert '"ip": "127.0.0.1"' in ask(port, headers={"X-Forwarded-For": "1.2.3.4"})[2]
    (told,) = caplog.records
    assert "callers choose their own address" in told.getMessage()
    assert told.__dict__["fields"] == {"hops": 1, "missing": 1, "peer": "127.0.0.1"}


def test_a_page_may_call_an_open_gateway_only_from_an_allowed_origin() -> None:
    with door() as port:
        assert ask(port)[0] == 200
        assert ask(port, headers=PAGE)[0] == 403
        # DNS rebinding: a name that an attacker points at this address makes a page same-origin.
        assert ask(port, headers={"Origin": f"http://rebound.example:{port}"})[0] == 403
        status, headers, _ = ask(port, "OPTIONS", {**PAGE, "Access-Control-Request-Method": "POST"})
        assert status == 403
        assert "Access-Control-Allow-Origin" not in headers
    with door(cors={"allow_origins": [PAGE["Origin"]]}) as port:
        status, headers, _ = ask(port, headers=PAGE)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, PAGE["Origin"])
        assert ask(port, headers={"Origin": "https://evil.example"})[0] == 403


def test_with_a_valid_key_any_origin_may_call_and_gets_no_cors_headers() -> None:
    with door(keys=KEYS) as port:
        status, headers, _ = ask(port, headers={**PAGE, **auth(ALICE)})
        assert status == 200
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_preflights_need_no_key_and_pages_can_read_rejections() -> None:
    with door(
        keys=KEYS, cors={"allow_origins": [PAGE["Origin"]], "allow_methods": "POST"}, csrf={"enabled": True}
    ) as port:
        status, headers, body = ask(port, "OPTIONS", {**PAGE, "Access-Control-Request-Method": "POST"})
        assert (status, body, headers["Access-Control-Allow-Methods"]) == (204, "", "POST, OPTIONS")
        status, headers, _ = ask(port, headers=PAGE)
        assert (status, headers["Access-Control-Allow-Origin"]) == (403, PAGE["Origin"])


def test_csrf_protection_requires_its_header() -> None:
    with door(csrf={"enabled": True}) as port:
        assert ask(port)[0] == 403
        assert ask(port, headers={"X-NEXUS-csrf-protection": ""})[0] == 200
    with door(csrf={"enabled": True, "header_name": "X-Mine"}) as port:
        assert ask(port, headers={"x-mine": "1"})[0] == 200
        assert ask(port, headers={"x-nexus-csrf-protection": "1"})[0] == 403


def test_a_token_signed_by_an_unknown_key_is_rejected() -> None:
    with IdentityProvider(answer(jwks(jwk(ec_key(), "one")))) as provider:
        resource = {"resource": "http://gw.example", "authorization_servers": ["http://id.example"]}
        with door(oauth={"url": provider.url, "protected_resource": resource}) as port:
            assert ask(port, headers=auth(token(ec_key(), "one")))[0] == 200
            status, headers, _ = ask(port, headers=auth(token(ec_key("stranger"), "one")))
            assert status == 401
            at = "http://gw.example/.well-known/oauth-protected-resource"
            assert headers["WWW-Authenticate"] == f'Bearer resource_metadata="{at}", error="invalid_token"'


def test_a_stalling_identity_provider_does_not_block_callers_with_keys() -> None:
    with IdentityProvider(stall) as provider, door(oauth={"url": provider.url}, keys=KEYS) as port:
        waiting = [Future[int]() for _ in range(8)]

        def wait(result: Future[int]) -> None:
            result.set_result(ask(port, headers=auth(token(ec_key())))[0])

        threads = [threading.Thread(target=wait, args=[result]) for result in waiting]
        for thread in threads:
            thread.start()
        provider.wait_for(1)
        for _ in range(20):
            assert ask(port, headers=auth(ALICE), timeout=2)[0] == 200
        assert not any(result.done() for result in waiting)
        provider.stopped.set()
        assert [result.result(HARD_LIMIT) for result in waiting] == [503] * 8
        for thread in threads:
            thread.join(HARD_LIMIT)
        assert provider.asked == 1


def test_a_client_that_disconnects_does_not_cancel_the_wait_of_others() -> None:
    async def main() -> None:
        with IdentityProvider(stall) as provider:
            settings = tables(oauth={"url": provider.url})
            authenticator = Authenticator.open(settings.client_identification, {}, settings.oauth)
            lines = header_lines(HTTPHeaders(auth(token(ec_key()))))
            leaving, staying = (asyncio.ensure_future(identify(authenticator, lines, Server.wait)) for _ in range(2))
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


def write_tls(folder: Path, key: Any = None, encrypted: bool = False) -> TlsSettings:
    own = rsa_key("tls")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(DAY_ONE)
        .not_valid_after(DAY_LAST)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(own, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    protection: Any = serialization.BestAvailableEncryption(b"x") if encrypted else serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        (key or own).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    )
    return TlsSettings(certificate=folder / "cert.pem", key=folder / "key.pem")


def test_the_server_speaks_tls(tmp_path: Path) -> None:
    settings = write_tls(tmp_path)
    with door(tls_context(settings)) as port:
        trusting = ssl.create_default_context(cafile=settings.certificate)
        connection = http.client.HTTPSConnection("localhost", port, context=trusting, timeout=HARD_LIMIT)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        old = ssl.create_default_context(cafile=settings.certificate)
        assert tls_context(settings).minimum_version is ssl.TLSVersion.TLSv1_2
        assert old.check_hostname


def test_unusable_tls_settings_are_reported(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="the key does not match the certificate"):
        tls_context(write_tls(tmp_path, rsa_key("another")))
    with pytest.raises(TlsError, match="cannot be used"):
        tls_context(write_tls(tmp_path, encrypted=True))
    settings = write_tls(tmp_path)
    for text in ("not a key", ""):
        settings.key.write_text(text)
        with pytest.raises(TlsError, match="one of the files is not PEM, or the key is encrypted"):
            tls_context(settings)
    settings.key.unlink()
    with pytest.raises(TlsError, match="no such file"):
        tls_context(settings)

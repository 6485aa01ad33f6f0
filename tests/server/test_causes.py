"""Log lines of failed attempts and rejected requests: where, when, why, and what Nexus does next."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests import log_fields
from tests.conftest import Serve
from tests.peers import UNUSED_PORT, Handler, Peer, echo, once, whole
from tests.server.raw import request
from tests.serving import CHAT, PATHS, Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

Log = list[logging.LogRecord]
ONE_TRY = "[llm.providers.openai.retries]\nattempts = 1\n"
TWO_TRIES = '[llm.providers.openai.retries]\nattempts = 2\nbase_delay = "0ms"\n'


def lines(log: Log, message: str) -> list[tuple[str, dict[str, Any]]]:
    """Level and fields of every such line."""
    found = [record for record in log if record.getMessage() == message]
    return [(record.levelname, vars(record)["fields"]) for record in found]


def call_of(log: Log, status: int) -> tuple[str, dict[str, Any]]:
    """The access line of the only call, which may appear shortly after the answer."""
    wait_until(lambda: len(lines(log, "call")) == 1)
    level, fields = lines(log, "call")[0]
    assert (fields["status"], tuple(fields)) == (status, log_fields.ACCESS)
    assert "-" not in fields.values() and "" not in fields.values()
    return level, fields


def attempts(log: Log) -> list[dict[str, Any]]:
    found = lines(log, "attempt failed")
    assert all(level == "WARNING" and tuple(fields) == log_fields.ATTEMPT for level, fields in found)
    return [fields for _, fields in found]


class Collector(logging.Handler):
    """Collects log records; pytest's own handler gets only warnings, whatever a fixture sets."""

    def __init__(self, heard: Log) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record)


@pytest.fixture
def log() -> Iterator[Log]:
    heard: Log = []
    ear = Collector(heard)
    logging.getLogger("nexus").addHandler(ear)
    yield heard
    logging.getLogger("nexus").removeHandler(ear)


# -- failures before an answer -------------------------------------------------------------------------------------

Upstream = Callable[[], AbstractContextManager[str]]


@contextmanager
def refusing() -> Iterator[str]:
    yield f"http://127.0.0.1:{UNUSED_PORT}/v1"


@contextmanager
def nameless() -> Iterator[str]:
    yield "http://nexus.invalid/v1"


def speaking(handler: Handler, scheme: str = "http") -> Upstream:
    @contextmanager
    def upstream() -> Iterator[str]:
        with Peer(handler) as peer:
            yield peer.url.replace("http", scheme)

    return upstream


def plain(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(whole(b"", status="400 Bad Request"))


UNREACHABLE: dict[str, tuple[Upstream, str, str, str]] = {
    # upstream, phase, reason, class in the reply
    "connection refused": (refusing, "connect", "ECONNREFUSED: Connection refused", "ECONNREFUSED"),
    "unknown host name": (nameless, "dns", "name not found: ", "name not found"),
    "closed without an answer": (speaking(once(b"")), "first byte", "closed", "closed"),
    "not HTTP": (speaking(once(b"220 smtp ready\r\n")), "first byte", "BadStatusLine", "not valid HTTP"),
    "not TLS": (speaking(plain, "https"), "tls", "TLS: ", "TLS: "),
}


@pytest.mark.parametrize(("upstream", "phase", "why", "kind"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_an_unreachable_vendor_is_logged_with_host_and_phase(
    upstream: Upstream, phase: str, why: str, kind: str, serve: Serve, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = socket.getaddrinfo

    def no_name(host: Any, *rest: Any, **named: Any) -> Any:
        if host == "nexus.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return lookup(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with upstream() as url:
        reply = serve(openai_config(url, ONE_TRY)).chat(CHAT)
    (attempt,) = attempts(log)
    assert (attempt["phase"], attempt["attempt"], attempt["of"], attempt["next"]) == (phase, 1, 1, "given up")
    assert attempt["why"].startswith(why)
    assert attempt["host"] in url and attempt["route"] == "openai/gpt-4"
    assert kind in reply.json["error"]["message"]
    assert attempt["host"] not in reply.json["error"]["message"]
    level, fields = call_of(log, 502)
    assert (level, fields["id"]) == ("WARNING", attempt["id"])
    assert fields["why"] == f"{attempt['host']}, {phase}: {attempt['why']}"


def test_every_attempt_has_a_line_that_names_the_next_step(serve: Serve, log: Log) -> None:
    with refusing() as url:
        serve(openai_config(url, TWO_TRIES)).chat(CHAT)
    assert [(line["attempt"], line["of"], line["next"]) for line in attempts(log)] == [
        (1, 2, "again in 0.0 s"),
        (2, 2, "given up"),
    ]


def test_a_failure_is_not_blamed_on_a_target_that_is_skipped_after_it(
    serve: Serve, log: Log, openai_upstream: FakeUpstream
) -> None:
    table = '[llm.providers.{}]\ntype = "openai"\nbase_url = "{}"\napi_key = "k"\nmodels.m = {{ {} }}\n'
    urls = [table.format(name, openai_upstream.base_url, more) for name, more in (("one", ""), ("two", "context = 5"))]
    openai_upstream.default = Behaviour(status=503, headers=(("x-should-retry", "false"),))
    nexus = serve("".join(urls) + '[llm.models.smart]\ntargets = ["one/m", "two/m"]\n')
    reply = nexus.chat({**CHAT, "model": "smart"})
    assert (reply.headers["x-nexus-route"], reply.headers["x-nexus-tried"]) == ("one/m", "one/m=503, two/m=too-small")
    assert [(line["route"], line["next"]) for line in attempts(log)] == [("one/m", "next: two/m")]
    assert call_of(log, 503)[1]["route"] == "one/m"


def test_a_broken_stream_is_logged(serve: Serve, openai_upstream: FakeUpstream, log: Log) -> None:
    openai_upstream.next(Behaviour(cut_after=3))
    with pytest.raises(http.client.IncompleteRead):
        serve(openai_config(openai_upstream.base_url)).chat({**CHAT, "stream": True})
    (attempt,) = attempts(log)
    assert (attempt["phase"], attempt["why"], attempt["next"]) == ("body", "closed", "given up")
    level, fields = call_of(log, 200)
    assert (level, fields["error"]) == ("WARNING", "unreachable")


def test_a_client_disconnect_is_not_logged_as_a_failure(nexus: Nexus, openai_upstream: FakeUpstream, log: Log) -> None:
    openai_upstream.next(Behaviour(hang=True))
    with socket.create_connection(("127.0.0.1", nexus.port)) as client:
        client.sendall(request(PATHS["chat"], CHAT))
        openai_upstream.wait_for_requests(1)
    level, fields = call_of(log, 499)
    assert (level, fields["error"], attempts(log)) == ("INFO", "cancelled", [])


def test_a_proxys_refusal_is_logged(serve: Serve, log: Log) -> None:
    with Peer(once(whole(b"", status="407 Proxy Authentication Required"))) as proxy:
        config = openai_config("https://vendor.invalid/v1", ONE_TRY)
        proxied = f'type = "openai"\nproxy = "http://127.0.0.1:{proxy.port}"'
        reply, host = serve(config.replace('type = "openai"', proxied)).chat(CHAT), f"127.0.0.1:{proxy.port}"
    (attempt,) = attempts(log)
    assert (attempt["phase"], attempt["why"]) == ("proxy", "the proxy answered 407")
    assert attempt["host"] == f"vendor.invalid by {host}"
    assert "the proxy answered 407" in reply.json["error"]["message"]


# -- certificates --------------------------------------------------------------------------------------------------

DAY = datetime.timedelta(1)


@dataclass(frozen=True)
class Certificate:
    """The faults a certificate may have; each default is valid. ``signer`` is "authority", "itself" or "stranger"."""

    begin: datetime.timedelta = -DAY
    end: datetime.timedelta = DAY
    address: str = "127.0.0.1"
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    signer: str = "authority"


@dataclass(frozen=True)
class Signer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def named(cls, name: str) -> Signer:
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        return cls(x509.Name(attributes), ec.generate_private_key(ec.SECP256R1()))

    def sign(self, subject: Signer, certificate: Certificate, *more: tuple[x509.ExtensionType, bool]) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self.name, subject.name, subject.key.public_key(), 7)
        builder = builder.not_valid_before(now + certificate.begin).not_valid_after(now + certificate.end)
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key())
        for extension, critical in ((by, False), (own, False), *more):
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def authority_and_server(folder: Path, certificate: Certificate) -> tuple[Path, ssl.SSLContext]:
    """The file of the trusted authority, and what the server needs to present the certificate."""
    authority, server = Signer.named("authority"), Signer.named("server")
    signer = {"authority": authority, "itself": server, "stranger": Signer.named("stranger")}[certificate.signer]
    ca_file, file = folder / "authority.pem", folder / "server.pem"
    signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca_file.write_bytes(
        authority.sign(authority, Certificate(), (x509.BasicConstraints(True, None), True), (signs, True))
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(certificate.address))])
    signed = signer.sign(server, certificate, (names, False), (x509.ExtendedKeyUsage([certificate.usage]), False))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(signed + server.key.private_bytes(serialization.Encoding.PEM, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return ca_file, context


CERTIFICATES: dict[str, tuple[Certificate, str, str]] = {
    # the fault, OpenSSL's message, class in the reply
    "expired": (Certificate(begin=-2 * DAY, end=-DAY), "certificate has expired", "certificate expired"),
    "not yet valid": (Certificate(begin=DAY, end=2 * DAY), "certificate is not yet valid", "certificate not yet valid"),
    "of an unknown authority": (
        Certificate(signer="stranger"),
        "unable to get local issuer certificate",
        "certificate of an unknown authority",
    ),
    "self-signed": (Certificate(signer="itself"), "self-signed certificate", "certificate self-signed"),
    "for another address": (
        Certificate(address="192.0.2.7"),
        "IP address mismatch, certificate is not valid for '127.0.0.1'.",
        "certificate for another address",
    ),
    "of a client": (
        Certificate(usage=ExtendedKeyUsageOID.CLIENT_AUTH),
        "unsuitable certificate purpose",
        "certificate not valid for servers",
    ),
}


@pytest.mark.parametrize(("certificate", "why", "kind"), CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_each_certificate_fault_has_its_own_message(
    certificate: Certificate, why: str, kind: str, tmp_path: Path, serve: Serve, log: Log
) -> None:
    ca_file, context = authority_and_server(tmp_path, certificate)
    with Peer(echo, context) as peer:
        config = openai_config(peer.url, TWO_TRIES)
        reply = serve(config.replace('type = "openai"', f'type = "openai"\nca_file = "{ca_file}"')).chat(CHAT)
    (attempt,) = attempts(log)
    # OpenSSL 3.6 says more.
    assert (attempt["phase"], attempt["why"].startswith(f"certificate: {why}")) == ("tls", True)
    assert (attempt["attempt"], attempt["of"], attempt["next"]) == (1, 2, "given up")
    assert reply.json["error"]["message"] == f"openai: the TLS handshake failed ({kind})"
    assert f", tls: certificate: {why}" in call_of(log, 502)[1]["why"]


# -- credentials of clouds -----------------------------------------------------------------------------------------

CLOUDS = {
    "AWS": ('type = "bedrock"\nregion = "us-east-1"\nbase_url = "http://127.0.0.1:9"', "none are configured"),
    "Google": ('type = "google"\nproject = "p"\nbase_url = "http://127.0.0.1:9"', "no Application Default Credentials"),
}


@pytest.mark.parametrize(("provider", "why"), CLOUDS.values(), ids=CLOUDS.keys())
def test_missing_cloud_credentials_are_logged(
    provider: str, why: str, tmp_path: Path, serve: Serve, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    retries = "[llm.providers.cloud.retries]\nattempts = 1\n"
    serve(f"[llm.providers.cloud]\n{provider}\nmodels.m = {{}}\n{retries}").chat({**CHAT, "model": "cloud/m"})
    (attempt,) = attempts(log)
    assert (attempt["phase"], attempt["host"], attempt["next"]) == ("credentials", None, "given up")
    assert why in attempt["why"]
    assert call_of(log, 502)[0] == "WARNING"


# -- whose fault it was --------------------------------------------------------------------------------------------

VENDORS: dict[str, tuple[int, str]] = {
    "a request that the vendor rejects": (400, "INFO"),
    "a model that the vendor lacks": (404, "WARNING"),
    "an invalid API key": (401, "WARNING"),
    "a rate limit": (429, "WARNING"),
    "a vendor failure": (500, "WARNING"),
}


@pytest.mark.parametrize(("status", "level"), VENDORS.values(), ids=VENDORS.keys())
def test_a_vendors_error_is_logged(
    status: int, level: str, serve: Serve, openai_upstream: FakeUpstream, log: Log
) -> None:
    openai_upstream.next(Behaviour(status=status, message="so it is"))
    serve(openai_config(openai_upstream.base_url, ONE_TRY)).chat(CHAT)
    found, fields = call_of(log, status)
    assert (found, fields["why"]) == (level, f"openai answered {status}: so it is")
    assert len(attempts(log)) == 1


REFUSED: dict[str, tuple[Any, int, str, str]] = {
    "no body": (b"", 400, "invalid_request", "the body is empty; expected a JSON object"),
    "invalid JSON": (b"{", 400, "invalid_request", "the body is not valid JSON: "),
    "no model": ({}, 400, "invalid_request", "model: expected the name of a model"),
    "an unknown model": ({**CHAT, "model": "x"}, 404, "model_not_found", "x"),
}


@pytest.mark.parametrize(("body", "status", "kind", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_rejected_requests_are_logged_with_a_reason(
    body: Any, status: int, kind: str, why: str, nexus: Nexus, log: Log
) -> None:
    nexus.chat(body)
    level, fields = call_of(log, status)
    assert (level, fields["error"]) == ("INFO", kind)
    assert why in fields["why"]
    assert attempts(log) == []

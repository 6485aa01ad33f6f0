"""Connections to vendors: proxies, CAs, client certificates and Unix sockets, per provider and for all providers."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from nexus.settings import Settings, SettingsError, load
from nexus.settings.urls import read_base_url, read_proxy_url
from nexus.settings.warnings import warnings
from tests.peers import Tls, write_certificate

KEY = 'type = "openai"\napi_key = "sk-1"\nmodels.m = {}\n'


def settings(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "nexus.toml"
    file.write_text(text)
    return load(file, {})


def test_providers_inherit_connection_settings_from_llm(tmp_path: Path, tls: Tls) -> None:
    text = f'[llm]\nproxy = "http://proxy.test:1"\nca_file = "{tls.ca_file}"\n'
    text += f"[llm.providers.a]\n{KEY}"
    text += f'[llm.providers.b]\nproxy = "none"\n{KEY}'
    text += f'[llm.providers.c]\nproxy = "https://other.test"\n{KEY}'
    file = tmp_path / "nexus.toml"
    file.write_text(text)
    providers = load(file, {}).llm.providers
    assert [one.proxy for one in providers.values()] == ["http://proxy.test:1", "", "https://other.test"]
    assert {str(one.ca_file) for one in providers.values()} == {tls.ca_file}


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http+unix:///run/llm.sock", "http+unix://%2Frun%2Fllm.sock"),
        ("http+unix://%2Frun%2Fllm.sock/v1", "http+unix://%2Frun%2Fllm.sock/v1"),
    ],
)
def test_unix_socket_urls_are_accepted(url: str, read: str) -> None:
    assert read_base_url(url) == read


@pytest.mark.parametrize("url", ["socks5://proxy.test:1080", "socks5h://user:word@proxy.test"])
def test_socks_proxies_require_the_socks_extra(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert read_proxy_url(url) == url
    monkeypatch.setattr("nexus.settings.urls.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"\[socks\]"):
        read_proxy_url(url)


PROBLEMS = {
    "a key alone": ('client_key = "{ca}"', "client_key: has no effect without client_cert"),
    "a certificate without its key": ('client_cert = "{ca}"', "client_cert: has no readable certificate"),
    "no readable certificate": ('ca_file = "{other}"', "ca_file: has no readable certificate"),
}


@pytest.mark.parametrize(("line", "problem"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_invalid_certificates_are_reported_when_settings_load(
    tmp_path: Path, tls: Tls, line: str, problem: str
) -> None:
    other = tmp_path / "other.pem"
    other.write_text("no readable certificate")
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, f"[llm.providers.a]\n{line.format(ca=tls.ca_file, other=other)}\n{KEY}")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "line", "warned"),
    [
        ("HTTPS_PROXY", "", True),
        ("http_proxy", "", True),
        ("REQUESTS_CA_BUNDLE", "", True),
        ("HTTPS_PROXY", 'proxy = "none"', False),
        ("SSL_CERT_FILE", "", False),
    ],
)
def test_ignored_environment_variables_are_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, line: str, warned: bool
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, "http://user:hushhush-word@proxy.test")
    file = tmp_path / "nexus.toml"
    file.write_text(f"[llm.providers.a]\n{line}\n{KEY}")
    said = [text for text in warnings(load(file, {})) if variable in text]
    assert bool(said) is warned
    assert "hushhush" not in str(said)


@pytest.mark.parametrize(
    ("days", "warning"),
    [
        (-0.5, "server.tls.certificate: clients refuse it: certificate has expired"),
        (0.05, "server.tls.certificate expires on "),
        (30, ""),
    ],
)
def test_a_server_certificate_that_ends_soon_is_warned_about(tmp_path: Path, days: float, warning: str) -> None:
    certificate, key = write_certificate(tmp_path, ec.generate_private_key(ec.SECP256R1()), days)
    text = f'[server.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n[llm.providers.a]\n{KEY}'
    said = [text for text in warnings(settings(tmp_path, text)) if "certificate" in text]
    assert len(said) == bool(warning) and "".join(said).startswith(warning)

"""Settings of Nexus 0.6: unchanged, renamed, or rejected with advice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nexus.auth.cors import advice
from nexus.settings import Settings, SettingsError, load
from nexus.settings.former import FORMER, translate
from nexus.settings.guards import CorsSettings
from nexus.settings.limits import RedisStorage
from nexus.settings.warnings import warnings

VENDOR = '[llm.providers.x]\ntype = "openai"\napi_key = "sk-hushhush"\nmodels.a = {}\n'
REDIS = '[server.rate_limits.storage]\ntype = "redis"\nurl = "rediss://r/1"\n'


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "nexus.toml"
    file.write_text(text + VENDOR)
    return load(file, {})


def redis(tmp_path: Path, text: str) -> tuple[RedisStorage, tuple[str, ...]]:
    pytest.importorskip("redis")
    settings = read(tmp_path, REDIS + text)
    storage = settings.server.rate_limits.storage
    assert isinstance(storage, RedisStorage)
    return storage, settings.origin.notes


def test_old_names_of_redis_pool_settings_still_work(tmp_path: Path) -> None:
    storage, notes = redis(
        tmp_path,
        'connection_timeout = "2s"\n[server.rate_limits.storage.pool]\nmax_size = 7\nmin_idle = 1\n'
        'timeout_create = "5s"\ntimeout_wait = "5s"\ntimeout_recycle = "300s"\n',
    )
    assert (storage.connect_timeout, storage.pool_size) == (2.0, 7)
    assert notes[0] == "server.rate_limits.storage.connection_timeout is called connect_timeout"
    assert len(notes) == 6 and "pool.min_idle has no effect" in notes[2]


def test_old_names_of_redis_tls_settings_still_work(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    storage, notes = redis(
        tmp_path,
        f'[server.rate_limits.storage.tls]\nenabled = true\ninsecure = true\nca_cert_path = "{tmp_path}/ca"\n'
        f'client_cert_path = "{tmp_path}/cert"\nclient_key_path = "{tmp_path}/key"\n',
    )
    files = (storage.tls.ca_file, storage.tls.cert_file, storage.tls.key_file)
    assert [file and file.name for file in files] == ["ca", "cert", "key"]
    assert storage.tls.insecure and len(notes) == 4


def test_renamed_settings_are_warned_about(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    settings = read(tmp_path, REDIS + "connection_timeout = 2\n")
    assert "server.rate_limits.storage.connection_timeout is called connect_timeout" in warnings(settings)


ACCEPTED: dict[str, tuple[str, tuple[str, ...], object]] = {
    "bare seconds": ("[server]\ndrain_timeout = 90\n", ("server", "drain_timeout"), 90.0),
    "bare seconds as text": ('[server]\ndrain_timeout = "90"\n', ("server", "drain_timeout"), 90.0),
    "weeks": ('[server.response_store]\ntime_to_live = "1w"\n', ("server", "response_store", "time_to_live"), 604800.0),
    "slash behind a path": ('[server.health]\npath = "/healthz/"\n', ("server", "health", "path"), "/healthz"),
    "slash behind a protocol": (
        '[llm.protocols.openai]\npath = "/v/openai/"\n',
        ("llm", "protocols", "openai", "path"),
        "/v/openai",
    ),
}


@pytest.mark.parametrize(("text", "path", "value"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_old_spellings_of_values_are_accepted(tmp_path: Path, text: str, path: tuple[str, ...], value: object) -> None:
    found: Any = read(tmp_path, text)
    for name in path:
        found = getattr(found, name)
    assert found == value


REFUSED: dict[str, tuple[str, str]] = {
    "MCP": ("[mcp]\nenabled = true\n", "1: mcp: is not supported: Nexus routes calls to language models"),
    "MCP servers alone": ('[mcp.servers.x]\ncmd = ["x"]\n', "1: mcp: is not supported"),
    "the proxy for Anthropic": ("[llm.proxy.anthropic]\nenabled = true\n", "1: llm.proxy.anthropic: is not supported"),
    "filter": (
        '[llm.providers.y]\ntype = "echo"\nmodel_filter = "gpt.*"\n',
        "3: llm.providers.y.model_filter: is not supported: models are served only by name",
    ),
    "TLS that the URL does not say": (
        REDIS.replace("rediss", "redis") + "[server.rate_limits.storage.tls]\nenabled = true\n",
        "5: server.rate_limits.storage.tls.enabled: is part of the URL",
    ),
    "both names": (
        REDIS + "connect_timeout = 1\nconnection_timeout = 2\n",
        "5: server.rate_limits.storage.connection_timeout: is called connect_timeout, which is set too",
    ),
    "a month": ('[server]\ndrain_timeout = "1mon"\n', "2: server.drain_timeout: is not a duration"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_removed_settings_are_rejected_with_advice(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    (found,) = caught.value.problems
    assert str(found).startswith(f"{tmp_path}/nexus.toml:{problem}")


def test_every_former_setting_is_detected_and_its_new_name_exists() -> None:
    for former in FORMER:
        path = tuple("x" if part == "*" else part for part in former.path)
        data: Any = 5
        for part in reversed(path):
            data = {part: data}
        result = translate(data)
        told = [dotted for dotted, _ in result.problems] or result.notes
        assert told, former
        assert bool(result.problems) is (former.verdict == "refused")
        found: Any = result.data
        for part in former.now:
            assert isinstance(found, Mapping)
            found = found[part]


@pytest.mark.parametrize("cors", [None, CorsSettings()], ids=["no table", "empty table"])
def test_missing_cors_origins_are_warned_about_at_start(cors: CorsSettings | None) -> None:
    assert "server.cors.allow_origins" in (advice(cors) or "")
    assert advice(CorsSettings(allow_origins="*")) is None

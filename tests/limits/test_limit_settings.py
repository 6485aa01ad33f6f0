"""Settings of limits: valid tables, invalid ones with their location, and rules across tables."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from nexus.limits.redis_client import Connections
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_redis import RedisStore
from nexus.server.runtime import stores_of
from nexus.settings import ServerSettings
from nexus.settings.limits import MemoryStorage, RateLimits, RedisStorage, RequestLimits
from nexus.settings.root import limit_problems
from nexus.settings.schema import docstrings
from nexus.settings.types import Table

USER = {"input_token_limit": 10, "interval": "60s"}
REDIS = {"type": "redis", "url": "redis://localhost"}


def test_without_settings_nothing_is_limited_and_memory_is_the_store() -> None:
    server = RequestLimits()
    assert server.enabled
    assert (server.overall, server.per_ip, server.storage) == (None, None, MemoryStorage(type="memory"))
    assert RequestLimits.model_validate({"global": {"limit": 1, "interval": "1s"}}).overall is not None
    assert list(RequestLimits.model_fields) == ["global", "enabled", "per_ip", "storage"]
    assert docstrings(RequestLimits).keys() == RequestLimits.model_fields.keys()


def redis(**more: Any) -> tuple[type[Table], dict[str, Any]]:
    return RequestLimits, {"storage": {**REDIS, **more}}


WRONG: dict[str, tuple[type[Table], dict[str, Any], str, str]] = {
    "nothing limited": (RateLimits, {"per_user": {"interval": "1s"}}, "per_user", "sets no limit"),
    "no interval": (RateLimits, {"per_user": {"request_limit": 1}}, "per_user.interval", ""),
    "zero": (RateLimits, {"per_user": {**USER, "request_limit": 0}}, "per_user.request_limit", ""),
    "negative": (RateLimits, {"per_user": {**USER, "request_limit": -1}}, "per_user.request_limit", ""),
    "absurd": (RateLimits, {"per_user": {**USER, "request_limit": 10**13}}, "per_user.request_limit", ""),
    "zero interval": (RateLimits, {"per_user": {**USER, "interval": "0s"}}, "per_user.interval", ""),
    "no per_user": (RateLimits, {}, "per_user", ""),
    "unknown key": (RateLimits, {"per_user": USER, "per_team": USER}, "per_team", ""),
    "group without a limit": (
        RateLimits,
        {"per_user": {**USER, "groups": {"pro": {"interval": "1s"}}}},
        "per_user.groups.pro",
        "sets no limit",
    ),
    "group in a group": (
        RateLimits,
        {"per_user": {**USER, "groups": {"pro": {**USER, "groups": {}}}}},
        "per_user.groups.pro.groups",
        "",
    ),
    "global of zero": (RequestLimits, {"global": {"limit": 0, "interval": "1s"}}, "global.limit", ""),
    "global without interval": (RequestLimits, {"global": {"limit": 1}}, "global.interval", ""),
    "no type": (RequestLimits, {"storage": {"url": "redis://x"}}, "storage.type", "is missing"),
    "unknown type": (RequestLimits, {"storage": {"type": "disk"}}, "storage.type", 'must be "memory" or "redis"'),
    "type that is no string": (RequestLimits, {"storage": {"type": [6061]}}, "storage.type", "must be"),
    "storage that is no table": (RequestLimits, {"storage": "redis"}, "storage", ""),
    "memory with a URL": (RequestLimits, {"storage": {"type": "memory", "url": "redis://x"}}, "storage.url", ""),
    "redis without a URL": (RequestLimits, {"storage": {"type": "redis"}}, "storage.url", ""),
    "URL: scheme": (*redis(url="http://6061"), "storage.url", "rediss://"),
    "URL: port": (*redis(url="redis://x:6061y"), "storage.url", "invalid host or port"),
    "URL: blank": (*redis(url="redis://x 6061"), "storage.url", "spaces"),
    "URL: options": (*redis(url="redis://x?db=6061"), "storage.url", "query"),
    "URL: database": (*redis(url="redis://x/a6061"), "storage.url", "number"),
    "prefix with braces": (*redis(key_prefix="{6061}"), "storage.key_prefix", ""),
    "no connections": (*redis(pool_size=0), "storage.pool_size", ""),
    "no timeout": (*redis(response_timeout="0s"), "storage.response_timeout", ""),
    "unknown reaction": (*redis(on_failure="6061"), "storage.on_failure", ""),
    "TLS without TLS": (*redis(tls={"insecure": True}), "storage.tls", "rediss"),
    "no such file": (*redis(tls={"ca_file": "/nowhere/6061"}), "storage.tls.ca_file", ""),
}


@pytest.mark.parametrize(("table", "data", "place", "message"), WRONG.values(), ids=WRONG.keys())
def test_invalid_settings_are_reported_at_their_place(
    table: type[Table], data: dict[str, Any], place: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        table.model_validate(data)
    [error] = caught.value.errors(include_url=False, include_input=False)
    assert ".".join(map(str, error["loc"])) == place
    assert message in error["msg"]
    assert "6061" not in str(error["msg"])


def test_a_certificate_requires_a_key(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("")
    with pytest.raises(ValidationError) as caught:
        RedisStorage.model_validate({**REDIS, "url": "rediss://x", "tls": {"cert_file": str(tmp_path / "pem")}})
    assert caught.value.errors()[0]["loc"] == ("tls", "key_file")


def test_tls_settings_are_passed_to_the_redis_client(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    tls = {"ca_file": str(tmp_path / "ca.pem"), "insecure": True}
    options = Connections(RedisStorage.model_validate({**REDIS, "url": "rediss://h", "tls": tls}))._new.keywords
    assert (options["ssl_ca_certs"], options["ssl_check_hostname"]) == (str(tmp_path / "ca.pem"), False)
    assert Connections(RedisStorage.model_validate({**REDIS, "url": "rediss://h"}))._new.keywords["ssl_check_hostname"]


def test_the_storage_setting_selects_the_store() -> None:
    assert isinstance(stores_of(ServerSettings())[0], MemoryStore)
    store, _ = stores_of(ServerSettings.model_validate({"rate_limits": {"storage": REDIS}}))
    assert isinstance(store, RedisStore)
    assert store.blocks
    store.close()


def whole(who: object, *, model: bool = False, groups: dict[str, Any] | None = None) -> Any:
    limits = RateLimits.model_validate({"per_user": {**USER, "groups": groups or {}}})
    one = SimpleNamespace(rate_limits=limits if model else None)
    provider = SimpleNamespace(
        rate_limits=None if model else limits, models={"m": one, "bare": SimpleNamespace(rate_limits=None)}
    )
    llm = SimpleNamespace(providers={"p": provider, "q": SimpleNamespace(rate_limits=None, models={})})
    server = SimpleNamespace(client_identification=who, rate_limits=RequestLimits())
    return SimpleNamespace(server=server, llm=llm)


def identification(group_id: object = None, values: tuple[str, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(enabled=True, group_id=group_id, validation=SimpleNamespace(group_values=values))


PROVIDER = ("llm", "providers", "p", "rate_limits", "per_user")
MODEL = ("llm", "providers", "p", "models", "m", "rate_limits", "per_user")
PRO = {"pro": USER}

NOBODY = SimpleNamespace(enabled=False, validation=SimpleNamespace(group_values=()))

ACROSS: dict[str, tuple[Any, list[tuple[tuple[str, ...], str]]]] = {
    "right": (whole(identification()), []),
    "right, with groups": (whole(identification("x", ("pro",)), groups=PRO), []),
    "callers identified by default": (whole(NOBODY), []),
    "callers identified by default, for a model": (whole(NOBODY, model=True), []),
    "no groups by default": (whole(NOBODY, groups=PRO), [((*PROVIDER, "groups", "pro"), "set server.client_")]),
    "no group_id": (whole(identification(), groups=PRO), [((*PROVIDER, "groups", "pro"), "set server.client_")]),
    "no group_values": (whole(identification("x"), groups=PRO), [((*PROVIDER, "groups", "pro"), "list them in")]),
    "unknown group": (
        whole(identification("x", ("free",)), model=True, groups=PRO),
        [((*MODEL, "groups", "pro"), "is not among")],
    ),
}


@pytest.mark.parametrize(("settings", "expected"), ACROSS.values(), ids=ACROSS.keys())
def test_rules_across_tables(settings: Any, expected: list[tuple[tuple[str, ...], str]]) -> None:
    found = list(limit_problems(settings))
    assert [place for place, _ in found] == [place for place, _ in expected]
    assert all(words in message for (_, message), (_, words) in zip(found, expected, strict=True))


def test_redis_storage_without_the_redis_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = whole(identification())
    settings.server.rate_limits = RequestLimits.model_validate({"storage": REDIS})
    assert list(limit_problems(settings)) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    [(place, message)] = limit_problems(settings)
    assert place == ("server", "rate_limits", "storage", "type")
    assert "pip install" in message

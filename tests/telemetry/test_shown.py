"""Values that hold a secret never show it: not in repr, str, messages or tracebacks."""

import re
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from nexus.accounting.price_book import PriceBook
from nexus.auth.credentials import Credential, credential_in
from nexus.auth.identity import Identity, Pending
from nexus.auth.keys import KeyRing
from nexus.call import Call
from nexus.errors import UpstreamStatus
from nexus.errors.failure import VendorFailure
from nexus.limits.store_redis import RedisStore
from nexus.provider import ProviderRequest
from nexus.providers.bedrock.credentials import Keys
from nexus.relay.call_state import CallState
from nexus.relay.records import call_record
from nexus.renewal import Grant
from nexus.settings import Settings, load, secrets
from nexus.settings.limits import RedisStorage
from nexus.settings.model import ModelSettings
from nexus.upstream.request import LocalReply, Timeouts, UpstreamRequest
from nexus.upstream.transport import Transport
from tests.auth.kit import ALICE, BOB
from tests.secrets import MARK, found_in
from tests.serving import KEY, Nexus

SENT = {"authorization": f"Bearer {ALICE}", "x-api-key": BOB, "x-provider-api-key": f"{MARK}-own", "cookie": MARK}

EVERYTHING = f"""
[server.keys.alice]
key = "{ALICE}"
[server.rate_limits.storage]
type = "redis"
url = "redis://me:{MARK}-redis@127.0.0.1:1/0"
[llm.providers.openai]
type = "openai"
api_key = "{KEY}"
proxy = "http://me:{MARK}-proxy@127.0.0.1:2"
[[llm.providers.openai.headers]]
rule = "insert"
name = "x-gateway-secret"
value = "{MARK}-inserted"
allow_secret = true
[llm.providers.openai.models.m]
[[llm.providers.openai.models.m.headers]]
rule = "insert"
name = "x-other-secret"
value = "{MARK}-inserted too"
allow_secret = true
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
access_key_id = "AKIA{MARK.upper()}"
secret_access_key = "{MARK}-secret-access-key"
session_token = "{MARK}-session-token"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "nexus.toml"
    file.write_text(EVERYTHING)
    return load(file, {})


IDENTITY = Identity("alice", None, None, "key", "alice", "key:alice", frozenset(SENT))


def call() -> Call:
    document = {"model": "m", "user": MARK}
    return Call("id", "chat", "127.0.0.1", IDENTITY, SENT, f"key={MARK}", str(document).encode(), document, "m", False)


def provider_request() -> ProviderRequest:
    return ProviderRequest(
        dialect="chat",
        action="generate",
        model="m",
        settings=ModelSettings(),
        body=MARK.encode(),
        stream=False,
        headers=SENT,
        query=f"key={MARK}",
        key=SecretStr(KEY),
        client=SENT,
    )


def credential() -> Credential:
    found = credential_in({name: [value] for name, value in SENT.items()})
    assert found is not None and found.text in (ALICE, BOB)
    return found


def redis_settings() -> RedisStorage:
    return RedisStorage.model_validate({"type": "redis", "url": f"redis://me:{MARK}@127.0.0.1:1/0"})


VALUES: dict[str, Callable[[], Any]] = {
    "call": call,
    "call under way": lambda: CallState(call()),
    "record": lambda: call_record(CallState(call()), PriceBook((), None).cost),
    "attempt": provider_request,
    "identity": lambda: IDENTITY,
    "credential": credential,
    "request to a vendor": lambda: UpstreamRequest("http://127.0.0.1/v1", SENT, MARK.encode()),
    "reply of a vendor": lambda: LocalReply(401, SENT, [MARK.encode()]),
    "error of a vendor": lambda: UpstreamStatus(
        VendorFailure("refused", "authentication", 401), status=401, headers=SENT, body=MARK.encode()
    ),
    "keys of AWS": lambda: Keys(f"AKIA{MARK.upper()}", f"{MARK}-secret", f"{MARK}-token"),
    "grant of Google": lambda: Grant({"authorization": f"Bearer ya29.{MARK}"}, expires=1.0, fetched=0.0),
    "connections": lambda: Transport("p", Timeouts(1, 1, 1), proxy=f"http://me:{MARK}@127.0.0.1:1"),
    "redis storage": redis_settings,
    "redis store": lambda: RedisStore(redis_settings()),
    "a wait for the keys of tokens": lambda: Pending(Future()),
}


def shown(value: Any) -> str:
    """Every way in which a value is turned into text."""
    texts = [repr(value), str(value), f"{value}", f"{value!r:.5000}", f"{[value]}", repr({"a": (value,)})]
    try:
        raise ValueError("about", value)
    except ValueError as error:
        texts += traceback.format_exception(error)
    if isinstance(value, BaseException):
        texts += traceback.format_exception(value)
    return "\n".join(texts)


def assert_silent(value: Any) -> None:
    found = [sign.kind for sign, _ in found_in(shown(value).encode())]
    assert not found, f"{type(value).__name__} shows {', '.join(found)}"


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())
def test_values_that_hold_a_secret_do_not_show_it(make: Callable[[], Any]) -> None:
    value = make()
    try:
        assert_silent(value)
    finally:
        getattr(value, "close", lambda: None)()


def test_settings_show_none_of_their_secrets(settings: Settings) -> None:
    held = secrets(settings)
    assert {MARK} <= {secret for text in held for secret in re.findall(MARK, text)}
    assert len(held) == 9
    assert_silent(settings)
    for table in (settings.server, settings.llm, *settings.llm.providers.values(), *settings.server.keys.values()):
        assert_silent(table)
    assert_silent(settings.llm.providers["openai"].headers)
    assert_silent(KeyRing(settings.server.keys))


def test_a_running_server_shows_no_secrets(settings: Settings) -> None:
    redis_apart = settings.server.model_copy(update={"rate_limits": type(settings.server.rate_limits)()})
    with Nexus(settings.model_copy(update={"server": redis_apart})) as nexus:
        assert nexus.running is not None
        for value in (
            nexus.server,
            nexus.runtime,
            nexus.runtime.gateway,
            nexus.runtime.guards,
            *nexus.runtime.providers,
        ):
            assert_silent(value)

"""Settings of a provider of type "bedrock", and which ones are rejected at start."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr, ValidationError

from nexus.providers.bedrock import BedrockProvider
from nexus.providers.bedrock.regions import base_url_of, read_region, region_of
from nexus.providers.bedrock.settings import BedrockSettings
from tests.providers.bedrock.fakes import ACCESS_KEY, API_KEY, SECRET_KEY, STATIC, TOKEN


def read(**table: Any) -> BedrockSettings:
    return BedrockSettings.model_validate({"type": "bedrock", **table})


def refused(**table: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        read(**table)
    for secret in (ACCESS_KEY, SECRET_KEY, TOKEN, API_KEY):
        assert secret not in str(caught.value)
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


AGAINST: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "no region": ({}, {"region": "is missing"}),
    "no region at a foreign host": ({"base_url": "http://proxy:1", **STATIC}, {"region": "is missing"}),
    "no region for a key": ({"api_key": API_KEY}, {"region": "is missing"}),
    "not a region": ({"region": "us-east-1/../x"}, {"region": "is not an AWS region"}),
    "another region": (
        {"region": "us-east-1", "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com"},
        {"region": "differs"},
    ),
    "half a key": ({"region": "us-east-1", "access_key_id": ACCESS_KEY}, {"secret_access_key": "belong together"}),
    "the other half": (
        {"region": "us-east-1", "secret_access_key": SECRET_KEY, "access_key_id": ""},
        {"access_key_id": "belong together"},
    ),
    "only a token": (
        {"region": "us-east-1", "session_token": TOKEN},
        {"access_key_id": "belong together", "secret_access_key": "belong together"},
    ),
    "two kinds": (
        {"region": "us-east-1", "api_key": API_KEY, **STATIC},
        {"access_key_id": "cannot be combined with api_key"},
    ),
    "three kinds": (
        {"region": "us-east-1", "api_key": API_KEY, "profile": "p", **STATIC},
        {"profile": "cannot be combined with api_key", "access_key_id": "cannot be combined with api_key"},
    ),
    "profile and keys": (
        {"region": "us-east-1", "profile": "p", **STATIC},
        {"access_key_id": "cannot be combined with profile"},
    ),
    "keys of callers": ({"region": "us-east-1", "forward_token": True}, {"forward_token": "more than the one key"}),
    "a key that no header takes": (
        {"region": "us-east-1", "access_key_id": "a\nb", "secret_access_key": SECRET_KEY},
        {"access_key_id": "not allowed in an AWS key"},
    ),
    "a model that changes the path": (
        {"region": "us-east-1", "models": {"m": {"rename": ".."}, ".": {}}},
        {"models.m": "is not a model id", "models..": "is not a model id"},
    ),
    "an unknown family": (
        {"region": "us-east-1", "models": {"m": {"family": "meta"}}},
        {"models.m.family": "Input should be 'anthropic'"},
    ),
}


@pytest.mark.parametrize(("table", "problems"), AGAINST.values(), ids=AGAINST.keys())
def test_invalid_settings_are_rejected_at_their_place(table: dict[str, Any], problems: dict[str, str]) -> None:
    found = refused(**table)
    assert set(found) == set(problems)
    assert all(problems[place] in found[place] for place in problems)


FOR: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "a region": ({"region": "eu-central-1"}, "https://bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"),
    "a host that names it": (
        {"base_url": "https://vpce-0a1b-2c3d.bedrock-runtime.us-west-2.vpce.amazonaws.com"},
        "https://vpce-0a1b-2c3d.bedrock-runtime.us-west-2.vpce.amazonaws.com",
        "us-west-2",
    ),
    "a host of one's own": (
        {"region": "us-east-1", "base_url": "http://127.0.0.1:9/x/"},
        "http://127.0.0.1:9/x",
        "us-east-1",
    ),
    "a key that needs no region": ({"api_key": API_KEY, "base_url": "http://127.0.0.1:9"}, "http://127.0.0.1:9", None),
    "empty templates": (
        {"region": "us-east-1", "access_key_id": "", "secret_access_key": " ", "session_token": "", "api_key": ""},
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        "us-east-1",
    ),
}


@pytest.mark.parametrize(("table", "base_url", "region"), FOR.values(), ids=FOR.keys())
def test_the_region_and_the_address_follow_from_the_settings(
    table: dict[str, Any], base_url: str, region: str | None
) -> None:
    settings = read(**table)
    assert settings.signing_region == region
    assert BedrockProvider("bedrock", settings).base_url == base_url


def test_no_key_is_shown() -> None:
    settings = read(region="us-east-1", session_token=TOKEN, **STATIC)
    assert settings.session_token == SecretStr(TOKEN)
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert not any(secret in shown for secret in (ACCESS_KEY, SECRET_KEY, TOKEN))


REGIONS = (
    "us-east-1",
    "ap-southeast-7",
    "us-gov-west-1",
    "cn-north-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "us-isof-south-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
)


@cache
def botocores() -> botocore.session.Session:
    """A session reads hundreds of kilobytes about the service once."""
    return botocore.session.Session()


@pytest.mark.parametrize("region", REGIONS)
def test_hosts_are_those_of_botocore(region: str) -> None:
    client = botocores().create_client("bedrock-runtime", region, aws_access_key_id="a", aws_secret_access_key="b")
    assert read_region(region) == region
    assert base_url_of(region) == client.meta.endpoint_url
    assert region_of(base_url_of(region).removeprefix("https://")) == region
    client.close()


@pytest.mark.parametrize("host", [None, "", "proxy.internal", "bedrock-runtime.us-east-1.amazonaws.com.evil.example"])
def test_other_hosts_have_no_region(host: str | None) -> None:
    assert region_of(host) is None


def test_a_missing_botocore_is_reported_at_start() -> None:
    script = (
        "import sys; sys.modules['botocore'] = None\n"
        "from nexus.settings import ProviderSettings\n"
        "table = {'type': 'bedrock', 'region': 'us-east-1'}\n"
        "ProviderSettings.variant(table).model_validate(table)\n"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=root)
    assert "needs the Python package boto3" in run.stderr

"""Requests that programs send before their first call: health checks and model lists.

Both are fast and never redirect. The health check reveals nothing and needs no credential; the list contains callable
models.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import anthropic
import openai
import pytest

from nexus.settings import SettingsError, load
from tests.conftest import Serve
from tests.serving import KEY, Nexus
from tools.fake_upstream import FakeUpstream

MODELS = """
[server.keys.alice]
key = "nx-hushhush-alice-0123456789abcdef"
models = ["v/gpt-4"]
[llm.providers.v]
type = "openai"
api_key = "{key}"
base_url = "{url}"
[llm.providers.v.models.gpt-4]
expose_as = "claude-gpt"
display_name = "GPT 4"
description = "Quick and cheap"
[llm.providers.v.models.secret]
"""
ALICE = {"x-api-key": "nx-hushhush-alice-0123456789abcdef"}


@pytest.fixture
def house(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    return serve(MODELS.format(key=KEY, url=openai_upstream.base_url))


@pytest.mark.parametrize("protocol", ["anthropic", "openai"])
@pytest.mark.parametrize("path", ["", "/", "/api/hello"])
def test_the_server_answers_health_checks(house: Nexus, protocol: str, path: str) -> None:
    get = house.request("GET", f"/llm/{protocol}{path}")
    head = house.request("HEAD", f"/llm/{protocol}{path}")
    assert (get.status, get.json) == (200, {"message": "hello"})
    assert (head.status, head.body) == (200, b"")


def test_other_paths_need_a_key(house: Nexus) -> None:
    for path in ("/llm/anthropic/v1", "/llm/anthropic/api", "/llm/anthropic/api/hello/x", "/llm/anthropicx"):
        assert house.request("GET", path).status == 401, path


def test_a_model_is_listed_and_callable_by_its_alias(house: Nexus) -> None:
    with anthropic.Anthropic(base_url=house.anthropic, api_key=ALICE["x-api-key"]) as client:
        page = client.models.list(limit=1000)
        assert [model.id for model in page.data] == ["v/gpt-4", "claude-gpt"]
        assert [model.display_name for model in page.data] == ["GPT 4", "GPT 4"]
        assert page.data[1].to_dict()["description"] == "Quick and cheap"
        model = client.models.retrieve("claude-gpt")
        assert (model.id, bool(model._request_id), bool(page._request_id)) == ("claude-gpt", True, True)
        answer = client.messages.create(
            model="claude-gpt", max_tokens=64, messages=[{"role": "user", "content": "Hello?"}]
        )
        assert answer.model == "claude-gpt"


def test_a_models_date_is_its_release_or_that_of_the_file(house: Nexus, tmp_path: Path) -> None:
    release = datetime(2023, 3, 14, tzinfo=UTC)
    with openai.OpenAI(base_url=house.openai, api_key=ALICE["x-api-key"]) as client:
        assert {model.created for model in client.models.list()} == {int(release.timestamp())}
        assert client.models.retrieve("claude-gpt").created == int(release.timestamp())
    with anthropic.Anthropic(base_url=house.anthropic, api_key=ALICE["x-api-key"]) as other:
        assert {model.created_at for model in other.models.list().data} == {release}
        assert other.models.retrieve("v/gpt-4").created_at == release
    file = tmp_path / "other.toml"
    file.write_text('llm.providers.v = { type = "echo", models.mine = {} }\n')
    os.utime(file, (1_700_000_000, 1_700_000_000))
    with Nexus(load(file, {})) as nexus:
        assert nexus.request("GET", "/llm/openai/v1/models/v/mine").json["created"] == 1_700_000_000
        assert nexus.request("GET", "/llm/anthropic/v1/models/v/mine").json["created_at"] == "2023-11-14T22:13:20Z"


CLASHES = {
    "another model's alias": ('[llm.providers.v.models.a]\nexpose_as = "b"\n[llm.providers.v.models.b]', "v/b"),
    "another model in full": ('[llm.providers.v.models.a]\nexpose_as = "v/b"\n[llm.providers.v.models.b]', "v/b"),
    "another model's second name": (
        '[llm.providers.v.models.a]\nexpose_as = "x"\n[llm.providers.v.models.b]\nexpose_as = "x"',
        "v/b",
    ),
}


@pytest.mark.parametrize(("models", "other"), CLASHES.values(), ids=list(CLASHES))
def test_conflicting_names_are_rejected(tmp_path: Path, models: str, other: str) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(f'[llm.providers.v]\ntype = "openai"\napi_key = "{KEY}"\n{models}\n')
    with pytest.raises(SettingsError) as refused:
        load(file, {})
    assert any(f"expose_as: is also a name of {other}; a name must" in str(line) for line in refused.value.problems)


def test_a_models_own_alias_is_not_a_conflict(tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(f'[llm.providers.v]\ntype = "openai"\napi_key = "{KEY}"\nmodels.a.expose_as = "a"\n')
    load(file, {})

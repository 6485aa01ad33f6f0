"""What ``nexus init`` detects, and that the settings file it writes starts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.cli.detect import Found
from nexus.cli.init import ChosenVendor, render, write
from nexus.settings import SettingsError, load
from tests.web import WebServer, of_json

KEY = {"OPENAI_API_KEY": "sk-hushhush-openai"}
ADC = {"type": "authorized_user", "quota_project_id": "of-the-quota"}

MACHINES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "nothing": ({}, {}, {"demo": "echo"}),
    "blank key": ({"OPENAI_API_KEY": " "}, {}, {"demo": "echo"}),
    "a key": (KEY, {}, {"openai": "openai"}),
    "two names of one key": (
        {"GEMINI_API_KEY": "hushhush-1", "GOOGLE_API_KEY": "hushhush-2"},
        {},
        {"google": "google"},
    ),
    "AWS keys": ({"AWS_ACCESS_KEY_ID": "AKIA-hushhush"}, {}, {"bedrock": "bedrock"}),
    "AWS profile": ({"AWS_PROFILE": "work"}, {".aws/config": "[profile work]\nregion = eu-west-1\n"}, {"bedrock": ""}),
    "AWS files": ({}, {".aws/credentials": "[default]\n"}, {"bedrock": "bedrock"}),
    "Google's credentials": (
        {},
        {".config/gcloud/application_default_credentials.json": json.dumps(ADC)},
        {"vertex": "google"},
    ),
    "Google's credentials without a project": (
        {},
        {".config/gcloud/application_default_credentials.json": "{}"},
        {"demo": "echo"},
    ),
    "a broken file": ({}, {".aws/config": "region"}, {"demo": "echo"}),
}


@pytest.mark.parametrize(("environ", "files", "expected"), MACHINES.values(), ids=MACHINES)
def test_providers_are_detected_on_a_machine(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    files: dict[str, str],
    expected: dict[str, str],
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    file = tmp_path / "nexus.toml"
    assert write(file, environ | {"HOME": str(tmp_path)}, {}, discovers=False) == 0
    out = capsys.readouterr().out
    assert "hushhush" not in out + file.read_text()
    providers = load(file, environ).llm.providers
    assert {name: provider.type for name, provider in providers.items() if expected[name]} == {
        name: kind for name, kind in expected.items() if kind
    }
    assert set(providers) == set(expected)
    first, provider = next(iter(providers.items()))
    model = f"{first}/{next(iter(provider.models))}"
    assert out.endswith(f"next:\n    nexus test -c {file} {model}\n    nexus claude -c {file} -m {model}\n")


def test_known_context_windows_are_written(tmp_path: Path) -> None:
    environ = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "x") | {"HOME": str(tmp_path)}
    assert write(tmp_path / "nexus.toml", environ, {}, discovers=False) == 0
    providers = load(tmp_path / "nexus.toml", environ).llm.providers
    windows = {name: {model.context for model in one.models.values()} for name, one in providers.items()}
    assert windows == {"openai": {None}, "anthropic": {1_000_000}, "google": {1_048_576}}


AT_BEDROCK = {
    "us-west-2": ("us", "us"),
    "eu-central-1": ("eu", "eu"),
    "ap-northeast-1": ("global", "apac"),
    "us-gov-west-1": ("us-gov", None),
    "sa-east-1": ("global", None),
}
"""The profile of Claude and of Nova in a region."""


@pytest.mark.parametrize(("region", "profiles"), AT_BEDROCK.items(), ids=AT_BEDROCK)
def test_models_of_bedrock_are_those_of_the_region(
    tmp_path: Path, region: str, profiles: tuple[str, str | None]
) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA-hushhush", "AWS_REGION": region, "HOME": str(tmp_path)}
    assert write(tmp_path / "nexus.toml", environ, {}, discovers=False) == 0
    models = load(tmp_path / "nexus.toml", environ).llm.providers["bedrock"].models
    claude, nova = profiles
    wanted = {f"{claude}.anthropic.claude-{name}-5-5": 1_000_000 for name in ("sonnet", "haiku")}
    wanted |= {f"{nova}.amazon.nova-pro-v1:0": 300_000} if nova else {}
    assert {name: model.context for name, model in models.items()} == wanted


def test_a_region_with_quotes_is_a_problem_of_its_line(tmp_path: Path) -> None:
    """As ``docker --env-file`` passes it on."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIA-hushhush", "AWS_REGION": '"us-west-2"', "HOME": str(tmp_path)}
    assert write(tmp_path / "nexus.toml", environ, {}) == 0
    with pytest.raises(SettingsError, match=r"nexus.toml:\d+: llm.providers.bedrock.region: "):
        load(tmp_path / "nexus.toml", environ)


def test_models_that_are_comments_have_their_windows_in_comments() -> None:
    vertex = Found("vertex", "google", "", ("gemini-3.8-flash",), ('project = "p"',))
    text = render([ChosenVendor(vertex, vertex.models, ("gemini-4-argon",))])
    assert text.endswith('#[llm.providers.vertex.models."gemini-4-argon"]\n#context = 1048576\n')


def test_region_and_project_are_detected(tmp_path: Path) -> None:
    for name, text in (MACHINES["AWS profile"][1] | MACHINES["Google's credentials"][1]).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert write(tmp_path / "nexus.toml", {"AWS_PROFILE": "work", "HOME": str(tmp_path)}, {}, discovers=False) == 0
    text = (tmp_path / "nexus.toml").read_text()
    assert 'region = "eu-west-1"' in text
    assert 'project = "of-the-quota"' in text


MODELS = {"data": [{"id": "qwen3:8b"}, {"id": 'a "quoted" one'}, {"no": "id"}]}


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A model server that serves only GET /v1/models."""
    with WebServer(lambda _: of_json(MODELS, headers={"Server": "llama.cpp"})) as running:
        yield running


def test_a_local_model_server_is_detected(tmp_path: Path, server: WebServer) -> None:
    file = tmp_path / "nexus.toml"
    assert write(file, {"HOME": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:9"}, {"ollama": server.port}) == 0
    provider = load(file, {}).llm.providers["ollama"]
    assert (provider.base_url, list(provider.models)) == (f"{server.url}/v1", ["qwen3:8b"])


def test_a_running_nexus_is_not_detected_as_a_vendor(tmp_path: Path, server: WebServer) -> None:
    server.answer = lambda _: of_json(MODELS, headers={"Server": "nexus"})
    file = tmp_path / "nexus.toml"
    assert write(file, {"HOME": str(tmp_path)}, {"ollama": server.port}) == 0
    assert list(load(file, {}).llm.providers) == ["demo"]

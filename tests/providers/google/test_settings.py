"""Settings of a provider with ``type = "google"``."""

from pathlib import Path

import pytest

from nexus.providers.google.settings import NO_KEY, GoogleSettings
from nexus.settings import load
from nexus.settings.problems import SettingsError

TABLE = '[llm.providers.g]\ntype = "google"\n'
MODEL = "[llm.providers.g.models.gemini-4-argon]\n"
BOTH = "llm.providers.g.api_key: belongs to the Gemini API, and project to Vertex AI; set only one of them"
NO_LOCATION = 'is not a location; write it like "global", "eu" or "us-central1"'
NO_PROJECT = 'is not the id of a Google Cloud project; write it like "my-project"'

GOOD = {
    "the Gemini API": 'api_key = "k-hushhush"',
    "the callers' own keys": "forward_token = true",
    "Vertex AI": 'project = "my-project"',
    "a project by number": 'project = "123456789012"',
    "a project of a domain": 'project = "example.com:my-project"',
    "a region": 'project = "p-1"\nlocation = "europe-west4"',
    "a multi-region": 'project = "p-1"\nlocation = "eu"',
}

BAD: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", [f"1: llm.providers.g.api_key: {NO_KEY}"]),
    "an empty key": ('api_key = " "', [f"3: llm.providers.g.api_key: {NO_KEY}"]),
    "both": ('api_key = "k-hushhush"\nproject = "p-1"', [f"3: {BOTH}"]),
    "forward_token with a project": (
        'forward_token = true\nproject = "p-1"',
        ["3: llm.providers.g.forward_token: belongs to the Gemini API; Vertex AI takes no key from callers; remove it"],
    ),
    "only a location": (
        'api_key = "k-hushhush"\nlocation = "eu"',
        ["4: llm.providers.g.location: belongs to Vertex AI; set project too"],
    ),
    "a host as location": (
        'project = "p-1"\nlocation = "evil.example/x"',
        [f"4: llm.providers.g.location: {NO_LOCATION}"],
    ),
    "a port as location": ('project = "p-1"\nlocation = "a:80"', [f"4: llm.providers.g.location: {NO_LOCATION}"]),
    "a path as project": ('project = "../x"', [f"3: llm.providers.g.project: {NO_PROJECT}"]),
    "no such file": (
        'project = "p-1"\ncredentials = "nix.json"',
        ["4: llm.providers.g.credentials: names no file that exists"],
    ),
}


def file_of(folder: Path, keys: str, models: str = MODEL) -> Path:
    file = folder / "nexus.toml"
    file.write_text(f"{TABLE}{keys}\n{models}")
    return file


@pytest.mark.parametrize("keys", GOOD.values(), ids=GOOD.keys())
def test_valid_settings_load(tmp_path: Path, keys: str) -> None:
    settings = load(file_of(tmp_path, keys), {}).llm.providers["g"]
    assert isinstance(settings, GoogleSettings)


@pytest.mark.parametrize(("keys", "expected"), BAD.values(), ids=BAD.keys())
def test_invalid_settings_are_rejected_at_their_place(tmp_path: Path, keys: str, expected: list[str]) -> None:
    file = file_of(tmp_path, keys)
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert str(caught.value).replace(f"{file}:", "").splitlines() == expected


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"type": "x"}', '{"web": {}}', '"service_account"', "\xff"])
def test_a_file_without_credentials_is_rejected(tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_bytes(content.encode("latin-1"))
    file = file_of(tmp_path, f'project = "p-1"\ncredentials = "{tmp_path}/key.json"')
    with pytest.raises(SettingsError, match="credentials: is not a Google credentials file, whose type is one of"):
        load(file, {})


def test_claude_needs_a_project(tmp_path: Path) -> None:
    models = '[llm.providers.g.models.claude-x]\n[llm.providers.g.models.smart]\nrename = "claude-y"\n'
    with pytest.raises(SettingsError) as caught:
        load(file_of(tmp_path, 'api_key = "k-hushhush"', models), {})
    assert str(caught.value).count("Claude is served by Vertex AI, not by the Gemini API; set project") == 2


def test_a_missing_google_auth_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.providers.google.settings.importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="project: needs the Python package google-auth, which is not installed"):
        load(file_of(tmp_path, 'project = "p-1"'), {})

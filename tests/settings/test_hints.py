"""Hints for syntax borrowed from other tools: references, stars, dotted names, and models without a provider."""

from pathlib import Path

import pytest

from nexus.settings import Settings, SettingsError, load
from nexus.settings.hints import (
    ASSIGNED,
    ELSEWHERE,
    IN_PLAIN,
    NOT_FILLED_IN,
    QUOTED,
    REPEATED,
    SCHEMED,
    STAR,
    URL,
    hints,
)

OPENAI = """\
[llm.providers.openai]
type = "openai"
api_key = "sk-hushhush"
"""
MODEL = "models.m = {}\n"


def read(folder: Path, text: str) -> Settings:
    file = folder / "nexus.toml"
    file.write_text(text)
    return load(file, {"KEY": "sk-hushhush"})


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(folder, text)
    return [str(problem).removeprefix(f"{folder}/nexus.toml:") for problem in caught.value.problems]


REFERENCES = [
    "$OPENAI_API_KEY",
    "${OPENAI_API_KEY}",
    "${OPENAI_API_KEY:-x}",
    "%OPENAI_API_KEY%",
    "{ env.OPENAI_API_KEY }",
    "{env.OPENAI_API_KEY}",
    "os.environ/OPENAI_API_KEY",
    "env:OPENAI_API_KEY",
    "env.OPENAI_API_KEY",
    "<your key>",
    "OPENAI_API_KEY",
]


@pytest.mark.parametrize("value", REFERENCES)
def test_a_reference_that_nexus_does_not_expand_gets_a_hint(value: str, tmp_path: Path) -> None:
    settings = read(tmp_path, OPENAI.replace("sk-hushhush", value) + MODEL)
    assert list(hints(settings)) == [f"llm.providers.openai.api_key {NOT_FILLED_IN}"]


@pytest.mark.parametrize("value", ["sk-hushhush", "none", "{{ env.KEY }}", "a$b", "x-${y}"])
def test_a_valid_key_gets_no_hint(value: str, tmp_path: Path) -> None:
    assert list(hints(read(tmp_path, OPENAI.replace("sk-hushhush", value) + MODEL))) == []


SLIPS = {
    "Bearer sk-hushhush": SCHEMED,
    "bearer  sk-hushhush": SCHEMED,
    "Basic c2s=": SCHEMED,
    '\\"sk-hushhush\\"': QUOTED,
    "'sk-hushhush'": QUOTED,
    "OPENAI_API_KEY=sk-hushhush": ASSIGNED,
    "export OPENAI_API_KEY=sk-hushhush": ASSIGNED,
    "Authorization: Bearer sk-hushhush": ASSIGNED,
    "x-api-key: sk-hushhush": ASSIGNED,
    "http://127.0.0.1:8080/v1": URL,
}


@pytest.mark.parametrize("value", SLIPS)
@pytest.mark.parametrize("kind", ["openai", "anthropic", "google"])
def test_a_malformed_key_gets_a_hint(value: str, kind: str, tmp_path: Path) -> None:
    text = OPENAI.replace("sk-hushhush", value).replace('"openai"', f'"{kind}"') + MODEL
    assert list(hints(read(tmp_path, text))) == [f"llm.providers.openai.api_key {SLIPS[value]}"]


def test_a_malformed_key_among_several_gets_a_hint(tmp_path: Path) -> None:
    text = OPENAI.replace('api_key = "sk-hushhush"', 'api_keys = ["sk-hushhush", "Bearer sk-hushhush-2"]') + MODEL
    assert list(hints(read(tmp_path, text))) == [f"llm.providers.openai.api_keys {SCHEMED}"]


@pytest.mark.parametrize(
    ("key", "kind", "theirs"),
    [
        ("sk-ant-hushhush", "openai", "anthropic"),
        ("AIzahushhush", "anthropic", "google"),
        ("sk-ant-hushhush", "google", "anthropic"),
    ],
)
def test_a_key_of_another_vendor_gets_a_hint(key: str, kind: str, theirs: str, tmp_path: Path) -> None:
    text = OPENAI.replace("sk-hushhush", key).replace('"openai"', f'"{kind}"') + MODEL
    assert list(hints(read(tmp_path, text))) == [f"llm.providers.openai.api_key {ELSEWHERE.format(theirs)}"]


def test_a_key_of_another_vendor_gets_no_hint_at_another_address(tmp_path: Path) -> None:
    text = OPENAI.replace("sk-hushhush", "sk-ant-hushhush") + 'base_url = "https://gateway.example/v1"\n' + MODEL
    assert list(hints(read(tmp_path, text))) == []


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://api.openai.com/v1", True),
        ("http://8.8.8.8/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://10.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://vllm:8000/v1", False),
        ("http://vllm.ml.svc.cluster.local/v1", False),
        ("http+unix:///run/a.sock", False),
    ],
)
def test_a_key_to_a_public_host_without_tls_gets_a_hint(url: str, warned: bool, tmp_path: Path) -> None:
    text = f'{OPENAI}base_url = "{url}"\n{MODEL}'
    assert list(hints(read(tmp_path, text))) == [f"llm.providers.openai.base_url {IN_PLAIN}"] * warned
    assert list(hints(read(tmp_path, text.replace("sk-hushhush", "none")))) == []


def test_a_bearer_prefix_gets_no_hint_if_nexus_adds_no_scheme(tmp_path: Path) -> None:
    text = OPENAI.replace("sk-", "Bearer sk-") + 'auth_scheme = "none"\n' + MODEL
    header = (
        '[[llm.providers.openai.headers]]\nrule = "insert"\nname = "x-key"\nvalue = "Bearer y"\nallow_secret = true\n'
    )
    assert list(hints(read(tmp_path, text + header))) == []


def test_secrets_in_header_rules_are_checked_too(tmp_path: Path) -> None:
    header = '[[llm.providers.openai.headers]]\nrule = "insert"\nname = "x-key"\nvalue = "$KEY"\nallow_secret = true\n'
    (hint,) = hints(read(tmp_path, OPENAI + MODEL + header))
    assert hint.startswith("llm.providers.openai.headers[0].value ")


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ('models."*" = {}', STAR),
        ('models = ["gpt-*"]', STAR),
        ('models = ["openai/gpt-4o"]', f"{REPEATED} openai/openai/gpt-4o"),
    ],
)
def test_a_doubtful_name_of_a_model_gets_a_hint(models: str, said: str, tmp_path: Path) -> None:
    (hint,) = hints(read(tmp_path, f"{OPENAI}{models}\n"))
    assert hint.endswith(said)


DOTTED: dict[str, tuple[str, str]] = {
    "a model": (f"{OPENAI}models.gpt-4.1 = {{}}\n", '4: llm.providers.openai.models.gpt-4.1: {}: models."gpt-4.1"'),
    "with settings": (
        f'{OPENAI}models.gpt-4.1-mini.rename = "x"\n',
        '4: llm.providers.openai.models.gpt-4.1-mini: {}: models."gpt-4.1-mini"',
    ),
    "two dots": (
        f'{OPENAI}models.claude-3.5.sonnet = {{ rename = "x" }}\n',
        '4: llm.providers.openai.models.claude-3.5: {}: models."claude-3.5.sonnet"',
    ),
    "as a table": (
        f"{OPENAI}[llm.providers.openai.models.gpt-4.1]\n",
        '4: llm.providers.openai.models.gpt-4.1: {}: models."gpt-4.1"',
    ),
    "a gateway key": (
        f'{OPENAI}{MODEL}[server.keys.alice.smith]\nsha256 = "x"\n',
        '5: server.keys.alice.smith: {}: keys."alice.smith"',
    ),
}


@pytest.mark.parametrize(("text", "said"), DOTTED.values(), ids=DOTTED.keys())
def test_an_unquoted_name_with_a_dot_is_reported(text: str, said: str, tmp_path: Path) -> None:
    assert said.format("a name with a dot needs quotes") in problems(tmp_path, text)


def test_an_unquoted_provider_name_with_a_dot_is_reported(tmp_path: Path) -> None:
    found = problems(tmp_path, OPENAI.replace("openai]", "my.openai]") + MODEL)
    assert '; a name with a dot needs quotes: [llm.providers."NAME"]' in found[0]


@pytest.mark.parametrize(("key", "near"), [('renam = "x"', "rename"), ("rate_limit = {}", "rate_limits")])
def test_a_misspelled_model_setting_is_not_taken_for_a_dotted_name(key: str, near: str, tmp_path: Path) -> None:
    (said,) = problems(tmp_path, f"{OPENAI}models.m.{key}\n")
    assert said.endswith(f': unknown key; did you mean "{near}"?')


def test_models_may_be_a_list_of_names(tmp_path: Path) -> None:
    short = read(tmp_path, f'{OPENAI}models = ["gpt-4.1", "b"]\n').llm.providers["openai"].models
    long = read(tmp_path, f'{OPENAI}models."gpt-4.1" = {{}}\nmodels.b = {{}}\n').llm.providers["openai"].models
    assert short == long
    assert list(short) == ["gpt-4.1", "b"]


BAD_LISTS = {
    "one twice": ('["a", "a"]', "names a model twice"),
    "no name": ("[1]", "must be a list of names"),
    "an empty name": ('[""]', "must not be empty"),
}


@pytest.mark.parametrize(("models", "said"), BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_invalid_lists_of_models_are_rejected(models: str, said: str, tmp_path: Path) -> None:
    (problem, *_) = problems(tmp_path, f"{OPENAI}models = {models}\n")
    assert problem.startswith("4: llm.providers.openai.models") and said in problem

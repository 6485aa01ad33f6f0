"""``[llm.models.NAME]`` and related settings: which load, and which are rejected on which line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.cli.check import check
from nexus.settings import Settings, SettingsError, load
from nexus.settings.budgets import covered
from nexus.settings.keys import matches
from nexus.settings.problems import MOST_SHOWN
from nexus.settings.warnings import warnings

PROVIDERS = """\
[llm.providers.a]
type = "echo"
models = ["x", "y"]
[llm.providers.b]
type = "openai"
api_keys = ["sk-hushhush-1", "sk-hushhush-2"]
models.x.expose_as = "claude-x"
models.z = { context = 1000, timeouts = { first_byte = "60s" } }
[llm.models.smart]
"""
KEY = '[server.keys.k]\nsha256 = "0fdd4ac4a6e0e43c6b7a06a0d4f2c0f2e2b6b7ac17a5ca6cd7c5cba25be2f8f4"\n'


def read(folder: Path, text: str) -> Settings:
    (folder / "nexus.toml").write_text(PROVIDERS + text)
    return load(folder / "nexus.toml", {})


REFUSED: dict[str, tuple[str, str]] = {
    "no target": ("", "9: llm.models.smart.targets: has no target"),
    "unknown target": ('targets = ["a/x", "b/zz"]', "10: llm.models.smart.targets[1]: is not a configured model; did"),
    "a bare alias as target": ('targets = ["z"]', "10: llm.models.smart.targets[0]: is not a configured model; did"),
    "repeated target": ('targets = ["a/x", "a/x"]', "10: llm.models.smart.targets[1]: is listed twice"),
    "repeated in spread": ('spread = ["a/x"]\ntargets = ["a/x"]', "11: llm.models.smart.targets[0]: is listed twice"),
    "unknown in spread": ('spread = [{ model = "n/x" }]', "10: llm.models.smart.spread[0]: is not a configured model"),
    "unknown for what is too long": (
        'targets = ["a/x"]\non_overflow = "n/x"',
        "11: llm.models.smart.on_overflow: is not a configured model",
    ),
    "unknown for what is out of limits": (
        'targets = ["a/x"]\non_budget = "n/x"',
        "11: llm.models.smart.on_budget: is not a configured model",
    ),
    "virtual target": (
        'targets = ["other"]\n[llm.models.other]\ntargets = ["a/x"]',
        "10: llm.models.smart.targets[0]: is a virtual model",
    ),
    "itself as target": ('targets = ["smart"]', "10: llm.models.smart.targets[0]: is a virtual model"),
    "patience with one target": ('targets = ["a/x"]\npatience = "3s"', "11: llm.models.smart.patience: has no effect"),
    "zero weight": ('spread = [{ model = "a/x", weight = 0 }]', "10: llm.models.smart.spread[0].weight: must be"),
    "negative weight": ('spread = [{ model = "a/x", weight = -1 }]', "10: llm.models.smart.spread[0].weight: must be"),
    "slash in the name": (
        'targets = ["a/x"]\n[llm.models."n/m"]\ntargets = ["a/x"]',
        '11: llm.models."n/m": must not contain "/"',
    ),
    "dot in the name": ('targets = ["a/x"]\n[llm.models.gpt-4.1]\ntargets = ["a/x"]', "a name with a dot needs quotes"),
    "name that a model is exposed as": (
        'targets = ["a/x"]\n[llm.models.claude-x]\ntargets = ["a/x"]',
        "11: llm.models.claude-x: is also what b/x is exposed as",
    ),
    "exposed as a model's name": (
        'targets = ["a/x"]\nexpose_as = "a/y"',
        "11: llm.models.smart.expose_as: is also a name of a/y",
    ),
    "exposed as an alias": (
        'targets = ["a/x"]\nexpose_as = "z"',
        "11: llm.models.smart.expose_as: is also a name of b/z",
    ),
    "exposed as what a model is exposed as": (
        'targets = ["a/x"]\nexpose_as = "claude-x"',
        "11: llm.models.smart.expose_as: is also a name of b/x",
    ),
    "exposed as another virtual model": (
        'targets = ["a/x"]\nexpose_as = "other"\n[llm.models.other]\ntargets = ["a/x"]',
        "11: llm.models.smart.expose_as: is also a name of other",
    ),
    "two exposed as one": (
        'targets = ["a/x"]\nexpose_as = "e"\n[llm.models.other]\ntargets = ["a/x"]\nexpose_as = "e"',
        "14: llm.models.other.expose_as: is also a name of smart",
    ),
    "a key's list with no model": (
        f'targets = ["a/x"]\n{KEY}models = ["smart", "nope"]',
        '13: server.keys.k.models[1]: matches no model; write "provider/model"',
    ),
    "two kinds of keys": (
        'targets = ["a/x"]\n[llm.providers.c]\ntype = "openai"\napi_key = "sk-hushhush-1"\n'
        'api_keys = ["sk-hushhush-2"]',
        "14: llm.providers.c.api_keys: cannot be combined with api_key",
    ),
    "no keys, callers bring theirs": (
        'targets = ["a/x"]\n[llm.providers.c]\ntype = "openai"\nforward_token = true\napi_keys = []',
        "14: llm.providers.c.api_keys: is empty",
    ),
    "an empty key": (
        'targets = ["a/x"]\n[llm.providers.c]\ntype = "openai"\napi_keys = ["sk-hushhush-2", " "]',
        "13: llm.providers.c.api_keys[1]: is empty",
    ),
    "a key twice": (
        'targets = ["a/x"]\n[llm.providers.c]\ntype = "openai"\napi_keys = ["sk-hushhush-2", "sk-hushhush-2"]',
        "13: llm.providers.c.api_keys: has a key twice",
    ),
    "zero concurrency": (
        'targets = ["a/x"]\n[llm.providers.c]\ntype = "echo"\nmax_concurrency = 0',
        "13: llm.providers.c.max_concurrency: must be at least 1",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_virtual_models_are_rejected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    problems = [str(problem).removeprefix(f"{tmp_path}/nexus.toml:") for problem in caught.value.problems]
    assert any(said in problem for problem in problems), problems
    assert "hushhush" not in str(caught.value)


LOADED = {
    "everything": 'spread = [{ model = "a/x", weight = 0.5 }, "a/y"]\ntargets = ["b/x"]\npatience = "30s"\n'
    'deadline = "10m"\non_overflow = "b/z"\non_budget = "a/y"\nspill_over = true\nexpose_as = "claude-smart"',
    "one target": 'targets = ["a/x"]',
    "the name of an alias": 'targets = ["a/x"]\n[llm.models.x]\ntargets = ["b/x"]',
    "a target that also takes what is too long": 'targets = ["a/x", "b/z"]\non_overflow = "b/z"',
    "a key's list": f'targets = ["a/x"]\n{KEY}models = ["smart", "a/*"]',
    "switched off": 'targets = ["n/x"]\n[llm]\nenabled = false',
}


@pytest.mark.parametrize("text", LOADED.values(), ids=LOADED.keys())
def test_valid_virtual_models_load(tmp_path: Path, text: str) -> None:
    read(tmp_path, text)


def test_check_prints_the_order_of_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = read(tmp_path, LOADED["everything"])
    check(settings, "nexus.toml")
    printed = capsys.readouterr().out
    tried = "a/x (33 %) or a/y (67 %), then b/x; too long: b/z; out of limits: a/y"
    assert f"smart          {tried}\nclaude-smart   {tried}\n" in printed
    assert "2 keys" in printed and "hushhush" not in printed
    assert "max_concurrency is not set for a, b; one that hangs can take all 512 worker threads" in printed


def test_a_virtual_model_that_hides_an_alias_is_warned_about(tmp_path: Path) -> None:
    told = warnings(read(tmp_path, LOADED["the name of an alias"]))
    assert any("llm.models.x is also an alias" in warning and "a/x, b/x" in warning for warning in told)


def test_a_key_may_list_a_virtual_model(tmp_path: Path) -> None:
    assert not [
        text for text in warnings(read(tmp_path, LOADED["a key's list"])) if "is not a configured model" in text
    ]


def test_many_keys_and_models_cost_no_comparison_of_each_with_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start or a reload would take seconds with thousands of both."""
    many, hex_digits = 200, "0123456789abcdef" * 4
    keys = "".join(
        f'[server.keys.k{at}]\nsha256 = "{at:04}{hex_digits[4:]}"\nmodels = ["z/m{at}*", "c/m{at}"]\n'
        f'[budgets.b{at}]\nper = "key"\nlimit_usd = 1\nperiod = "day"\nmodels = ["z/m{at}*", "c/m{at}"]\n'
        for at in range(many)
    )
    models = "".join(f'[llm.providers.{name}.models."m{at}"]\n' for name in "cz" for at in range(many))
    vendors = '[llm.providers.c]\ntype = "echo"\n[llm.providers.z]\ntype = "echo"\n'
    compared: list[str] = []

    def counted(pattern: str, name: str) -> bool:
        compared.append(name)
        return matches(pattern, name)

    monkeypatch.setattr("nexus.settings.keys.matches", counted)
    settings = read(tmp_path, f'targets = ["a/x"]\n{vendors}{models}{keys}')
    assert not [text for text in warnings(settings) if "is not a configured model" in text]
    assert covered(settings.budgets, settings.llm)["b7"] == {"c/m7", "z/m7", *(f"z/m{at}" for at in range(70, 80))}
    assert len(compared) < 20 * many


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda at: f'[llm.models.v{at}]\ntargets = ["x/y{at}"]\n', id="targets"),
        pytest.param(
            lambda at: f'[budgets.b{at}]\nper = "session"\nlimit_usd = 1\nperiod = "day"\nmodels = ["x/y{at}"]\n',
            id="budgets",
        ),
    ],
)
def test_of_many_unknown_models_the_first_get_a_suggestion(tmp_path: Path, wrong: Callable[[int], str]) -> None:
    """Each is compared with every model."""
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, 'targets = ["a/x"]\n' + "".join(map(wrong, range(MOST_SHOWN + 5))))
    unknown = [str(problem) for problem in caught.value.problems]
    assert len(unknown) == MOST_SHOWN + 5
    assert ["did you mean" in problem for problem in unknown] == [True] * MOST_SHOWN + [False] * 5

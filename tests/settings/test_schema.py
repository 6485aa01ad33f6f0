"""The JSON Schema of the settings file accepts every valid file and rejects unknown names."""

import functools
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nexus.cli.schema import REFERENCE
from nexus.settings import Settings
from nexus.settings.schema import docstrings, json_schema
from tests.console import Command
from tests.docs.pages import all_snippets
from tools.docs.reference import reference, sections

CONFIG = Path(__file__).parents[2] / "config"
FILES = sorted(CONFIG.glob("*.toml"))


@functools.cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def wrong(document: dict[str, Any]) -> list[str]:
    return [error.message for error in validator().iter_errors(document)]


def test_the_schema_is_valid_json_schema() -> None:
    validator().check_schema(validator().schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_schema_accepts_every_shipped_file(file: Path) -> None:
    assert wrong(tomllib.loads(file.read_text())) == []


def test_the_schema_accepts_every_snippet_in_the_docs() -> None:
    mine = [snippet for snippet in all_snippets() if snippet.is_nexus]
    assert mine
    assert {str(snippet): found for snippet in mine if (found := wrong(tomllib.loads(snippet.text)))} == {}


REFUSED: dict[str, dict[str, Any]] = {
    "unknown table": {"sever": {}},
    "unknown setting": {"server": {"listen_adress": "127.0.0.1:1"}},
    "unknown setting of a provider": {"llm": {"providers": {"p": {"type": "openai", "regoin": "x"}}}},
    "unknown type of provider": {"llm": {"providers": {"p": {"type": "opnai"}}}},
    "setting of another type": {"llm": {"providers": {"p": {"type": "anthropic", "project": "x"}}}},
    "number where a switch stands": {"server": {"open": 3}},
    "rule without its words": {"llm": {"providers": {"p": {"type": "openai", "headers": [{"rule": "insert"}]}}}},
}

TAKEN: dict[str, dict[str, Any]] = {
    "template for a number": {"server": {"worker_threads": "{{ env.THREADS }}"}},
    "template for a switch": {"server": {"open": "{{ env.OPEN }}"}},
    "duration": {"server": {"early_ping": "1m30s"}},
    "size as a number": {"server": {"max_body_size": 1000}},
    "models as a list": {"llm": {"providers": {"p": {"type": "openai", "models": ["gpt-4.1"]}}}},
    "virtual model by a name alone": {"llm": {"models": {"m": {"spread": ["p/a", {"model": "p/b", "weight": 2}]}}}},
}


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED)
def test_the_schema_rejects_invalid_documents(document: dict[str, Any]) -> None:
    assert wrong(document)


@pytest.mark.parametrize("document", TAKEN.values(), ids=TAKEN)
def test_the_schema_accepts_valid_documents(document: dict[str, Any]) -> None:
    assert wrong(document) == []


def test_every_setting_has_a_docstring() -> None:
    silent = [
        f"{section.path}.{name}"
        for section in sections("", Settings)
        for name in section.table.model_fields.keys() - docstrings(section.table).keys()
    ]
    assert silent == []


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    page = reference()
    assert all(f"[{section.path}]" in page for section in sections("", Settings))
    assert '``listen_address`` = ``["127.0.0.1:8000"]``' in page
    assert '``drain_timeout`` = ``"30s"``' in page
    assert '``max_body_size`` = ``"32MiB"``' in page
    lacking = {
        name for section in sections("", Settings) for name in section.table.model_fields if f"``{name}``" not in page
    }
    assert lacking == set()


def test_the_config_and_schema_commands_print_reference_and_schema(command: Command, tmp_path: Path) -> None:
    assert command(tmp_path, "config").stdout == REFERENCE.read_text()
    assert command(tmp_path, "schema").stdout == json.dumps(validator().schema, indent=2) + "\n"

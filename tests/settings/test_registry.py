"""Kinds are listed without importing any, and only listed ones are ever imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nexus import registry


def test_kinds_are_the_folders_of_providers() -> None:
    assert {"anthropic", "echo", "openai"} <= set(registry.kinds())


def test_listing_and_reading_settings_imports_only_what_is_configured() -> None:
    program = (
        "import sys; from nexus import registry; from nexus.settings import demo_settings; registry.kinds();"
        "before = [m for m in sys.modules if m.startswith('nexus.providers')]; demo_settings();"
        "after = [m for m in sys.modules if m.startswith('nexus.providers.') and m.count('.') == 2];"
        "print(before, after)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] ['nexus.providers.echo']"


@pytest.mark.parametrize("kind", ["nix", "", "..", "os", "openai.settings", "__init__"])
def test_only_kinds_are_loaded(kind: str) -> None:
    with pytest.raises(LookupError):
        registry.load(kind)


def test_load() -> None:
    assert registry.load("echo").settings_type.needs_key is False
    assert registry.load("openai").settings_type.needs_key is True

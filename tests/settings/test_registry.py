"""Kinds are listed without importing them, and only listed ones are ever imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.settings import registry
from tests.console import python


def test_kinds_are_the_folders_of_providers() -> None:
    assert {"anthropic", "echo", "openai"} <= set(registry.kinds())


def test_only_configured_providers_are_imported(tmp_path: Path) -> None:
    """Tables that the file does not use get no validator: each costs time and memory, and most are unused."""
    program = (
        "import sys, nexus.settings; from nexus.settings import registry; from nexus.settings.types import Table\n"
        "of = lambda table: [table, *(one for sub in table.__subclasses__() for one in of(sub))]\n"
        "def tell():\n"
        "    print(*(name for name in sys.modules if name.startswith('nexus.providers.') and name.count('.') == 2))\n"
        "    print(*(table.__name__ for table in of(Table)[1:] if table.__pydantic_complete__))\n"
        "tell(); registry.kinds(); tell(); nexus.settings.demo_settings(); tell()"
    )
    told = [set(line.split()) for line in python(program, tmp_path).stdout.splitlines()]
    demo = {"Settings", "LlmSettings", "EchoSettings", "ModelSettings"}
    assert told == [set(), set(), set(), set(), {"nexus.providers.echo"}, demo]


@pytest.mark.parametrize("kind", ["nix", "", "..", "os", "openai.settings", "__init__"])
def test_unknown_kinds_are_not_loaded(kind: str) -> None:
    with pytest.raises(LookupError):
        registry.load(kind)


def test_an_installed_package_can_add_a_kind(tmp_path: Path) -> None:
    """An installed package adds a provider with an entry point; it cannot replace a built-in provider."""
    (tmp_path / "acme.py").write_text("from nexus.providers.echo import EchoProvider\nclass Acme(EchoProvider): ...\n")
    about = tmp_path / "acme-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[nexus.providers]\nacme = acme:Acme\necho = acme:Acme\n")
    program = "from nexus.settings import registry; print(*(registry.load(kind).__name__ for kind in ('acme', 'echo')))"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ)
    assert run.stdout.split() == ["Acme", "EchoProvider"]

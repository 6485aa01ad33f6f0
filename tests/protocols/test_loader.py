"""Dialects are listed by their folders alone, and each is imported only when needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from nexus.protocols import loader
from nexus.protocols.contract import ClientCodec, VendorCodec

FOLDERS = {path.parent.name for path in (Path(loader.__file__).parent).glob("*/codec.py")}


def test_every_folder_is_a_dialect() -> None:
    assert {*loader.DIALECTS, *loader.VENDORS} == FOLDERS


@pytest.mark.parametrize("dialect", loader.DIALECTS)
def test_every_client_dialect_has_its_codec(dialect: str) -> None:
    assert isinstance(loader.client(dialect), ClientCodec)
    assert loader.DIALECTS[dialect].name == dialect


@pytest.mark.parametrize("dialect", loader.VENDORS)
def test_every_vendor_dialect_has_its_codec(dialect: str) -> None:
    assert isinstance(loader.vendor(dialect), VendorCodec)


CALLS = """
import sys
from nexus.protocols import loader
loader.preload()
before = set(sys.modules)
for name in loader.DIALECTS:
    loader.client(name), loader.DIALECTS[name].passing
for name in loader.VENDORS:
    loader.vendor(name)
print(sorted(set(sys.modules) - before))
"""


def test_the_calls_of_a_worker_import_no_dialect() -> None:
    """Its supervisor has: each worker would take tens of milliseconds for it, at its first call."""
    assert subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True).stdout == "[]\n"

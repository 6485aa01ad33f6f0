"""requirements.lock contains what setup.py requires, with hashes; stale entries are reported."""

import os
import re

import pytest
from packaging.requirements import Requirement

from tools.release.lock import LOCK, Declared, declared, locked, resolve, stale

TEXT = """\
# Made by a program.
brotli==1.2.0 \\
    --hash=sha256:00
    # via -r setup.py.in
urllib3==2.6.0 ; python_full_version < '3.14' \\
    --hash=sha256:00
    # via
    #   -r setup.py.in
    #   requests
"""
WANTED = ("Brotli>=1.2", "urllib3>=2.3,<3")


def wants(*texts: str) -> Declared:
    return Declared("3.11", tuple(map(Requirement, texts)), ())


CASES = {
    "as it is": (WANTED, []),
    "one more": ((*WANTED, "redis>=5"), ["redis>=5 is required, and the lock has none"]),
    "a newer one": (("Brotli>=1.3", WANTED[1]), ["Brotli>=1.3 is required, and the lock has 1.2.0"]),
    "one less": (WANTED[:1], ["urllib3 is locked, and nothing requires it"]),
}


@pytest.mark.parametrize(("wanted", "problems"), CASES.values(), ids=CASES)
def test_stale_entries_are_named(wanted: tuple[str, ...], problems: list[str]) -> None:
    assert stale(wants(*wanted), TEXT) == problems


def test_the_lock_file_is_not_stale() -> None:
    assert stale(declared(), LOCK.read_text()) == [], "python -m tools.release.lock"


def test_the_lock_file_has_no_development_packages() -> None:
    pins = locked(LOCK.read_text())
    assert {"tornado", "boto3", "redis", "psycopg-binary", "pyjwt", "setuptools"} <= pins.keys()
    assert not {"pytest", "mypy", "sphinx"} & pins.keys()
    assert declared().python == "3.11"


def test_every_pin_has_hashes_and_no_registry_address() -> None:
    blocks = re.split(r"^(?=\w)", LOCK.read_text(), flags=re.MULTILINE)[1:]
    assert len(blocks) == sum(map(len, locked(LOCK.read_text()).values()))
    assert [block.partition(" ")[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in LOCK.read_text()


@pytest.mark.slow
def test_uv_resolves_to_the_locked_packages() -> None:
    """Names only: packages add files to a version, or withdraw it, which is not an error here."""
    try:
        again = resolve(declared(), LOCK.read_text())
    except SystemExit as error:
        if os.environ.get("NEXUS_REQUIRE_REGISTRY"):
            raise
        pytest.skip(f"no registry is reachable: {error}")
    assert locked(again).keys() == locked(LOCK.read_text()).keys()

"""A release builds to the same bytes anywhere, contains what it should, and tests itself."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import nexus
from tests.release.conftest import Release
from tests.release.kit import ROOT, environ, run
from tools.release import artefacts

ONE = "nexus-1/one.txt"


def packed(*, mtime: int, owner: str, mode: int, names: tuple[str, ...] = (ONE, "nexus-1/two.txt")) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname, member.mode = 2, mtime, owner, mode
            archive.addfile(member, io.BytesIO(b"hi"))
    return file.getvalue()


def test_an_archive_contains_no_user_or_time() -> None:
    mine = packed(mtime=1, owner="me", mode=0o600)
    yours = packed(mtime=2, owner="you", mode=0o664, names=("nexus-1/two.txt", ONE))
    assert mine != yours
    assert artefacts.canonical(mine, 7) == artefacts.canonical(yours, 7)
    assert artefacts.canonical(mine, 7) != artefacts.canonical(mine, 8)
    with tarfile.open(fileobj=io.BytesIO(artefacts.canonical(mine, 7))) as archive:
        assert next((member.name, member.mtime, member.mode) for member in archive) == (ONE, 7, 0o644)


@pytest.mark.slow
class TestRelease:
    def test_two_builds_are_the_same_bytes(
        self, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        before = os.umask(0o077)
        try:
            again = artefacts.build(tmp_path / "again")
        finally:
            os.umask(before)
        assert [file.name for file in again] == [release.sdist.name, release.wheel.name]
        assert [file.read_bytes() for file in again] == [release.sdist.read_bytes(), release.wheel.read_bytes()]

    def test_registries_accept_them(self, release: Release) -> None:
        artefacts.check(release.sdist, release.wheel)

    def test_a_failed_check_gives_the_reason(self, release: Release, tmp_path: Path) -> None:
        broken = tmp_path / release.wheel.name
        broken.write_bytes(b"no archive")
        with pytest.raises(artefacts.NotBuilt, match=release.wheel.name):
            artefacts.check(release.sdist, broken)

    def test_the_sdist_has_every_file_of_git(self, release: Release) -> None:
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
        there = {str(path.relative_to(release.source)) for path in release.source.rglob("*") if path.is_file()}
        assert set(tracked.split()) - there == {".gitignore", "nexus/providers"}
        assert "nexus/providers/openai/__init__.py" in there, "a folder, where git has a link"
        assert not [path for path in release.source.rglob("*") if path.is_symlink()]

    def test_the_sdist_tests_itself(self, release: Release, tmp_path: Path) -> None:
        """Unpacked and installed elsewhere; its tests use the installed package."""
        target = tmp_path / "installed"
        command = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(target), "."]
        done = run(release.source, *command, path=None)
        assert done.returncode == 0, done.stderr
        shown = run(tmp_path, "-m", "nexus", "--version", path=target)
        assert nexus.__version__ in shown.stdout
        tests = ["tests/test_laws.py", "tests/laws/test_fixtures.py", "tests/headers", "tests/test_config_files.py"]
        command = [sys.executable, "-S", "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *tests]
        ran = subprocess.run(
            command, cwd=release.source, env=environ(release.source), text=True, capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stdout

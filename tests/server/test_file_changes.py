"""File watching: a file has changed if its content differs from the last read and two checks in a row agree."""

import os
from pathlib import Path

import pytest

from nexus.settings.files import Watch, stamps


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nexus.toml"
    path.write_text("one")
    return path


def looks(watch: Watch, count: int = 2) -> list[bool]:
    return [watch.has_changed() for _ in range(count)]


def test_an_untouched_file_has_not_changed(file: Path) -> None:
    assert looks(Watch(stamps([file])), 3) == [False, False, False]


def test_a_change_counts_when_seen_twice(file: Path) -> None:
    watch = Watch(stamps([file]))
    file.write_text("another")
    assert looks(watch, 3) == [False, True, True]


def test_a_file_being_written_does_not_count_yet(file: Path) -> None:
    watch = Watch(stamps([file]))
    for size in range(4, 8):
        file.write_text("x" * size)
        assert not watch.has_changed()
    assert watch.has_changed()


def test_a_change_before_the_first_check_counts(file: Path) -> None:
    read = stamps([file])
    os.utime(file, ns=(1, 1))
    assert looks(Watch(read)) == [False, True]


def test_a_link_to_another_folder_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes replaces configuration maps and secrets: the file's own path never changes."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nexus.toml").write_text("same")
    (tmp_path / "..data").symlink_to("old")
    file = tmp_path / "nexus.toml"
    file.symlink_to("..data/nexus.toml")
    watch = Watch(stamps([file]))
    (tmp_path / "..next").symlink_to("new")
    os.rename(tmp_path / "..next", tmp_path / "..data")
    assert looks(watch) == [False, True]


def test_a_file_that_disappears_and_returns(file: Path) -> None:
    watch = Watch(stamps([file]))
    text = file.read_text()
    file.unlink()
    assert looks(watch) == [False, True]
    watch = Watch(stamps([file]))
    file.write_text(text)
    assert looks(watch) == [False, True]

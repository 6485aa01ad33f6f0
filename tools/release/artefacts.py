"""``python -m tools.release.artefacts [FOLDER]``: builds a reproducible sdist and wheel of the last commit.

Builds from git, never from untracked files. Every timestamp in an artefact is the commit's, or ``SOURCE_DATE_EPOCH`` if
set. Builds the wheel from the sdist. The same setuptools version produces the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EPOCH = "SOURCE_DATE_EPOCH"
CHECKS = (("twine", "check", "--strict"), ("check_wheel_contents",))


class NotBuilt(Exception):
    """A step failed; the message is its output."""


def build(folder: Path, source: Path = ROOT, commit: str = "HEAD") -> tuple[Path, Path]:
    """Builds the sdist and the wheel of a commit in ``folder`` and returns their paths.

    Raises:
        NotBuilt: A step failed.
    """
    epoch = int(os.environ.get(EPOCH) or _run(source, "git", "log", "-1", "--format=%ct", commit))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        exported = scratch / "exported.tar"
        _run(source, "git", "archive", "--format=tar", "-o", str(exported), commit)
        with tarfile.open(exported) as archive:
            archive.extractall(scratch / "source", filter="data")
        made = _backend(scratch / "source", "build_sdist", scratch / "made", epoch)
        sdist = folder / made.name
        sdist.write_bytes(canonical(made.read_bytes(), epoch))
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch / "unpacked", filter="data")
        [unpacked] = (scratch / "unpacked").iterdir()
        built = _backend(unpacked, "build_wheel", scratch / "built", epoch)
        wheel = folder / built.name
        wheel.write_bytes(built.read_bytes())
    return sdist, wheel


def _backend(source: Path, hook: str, target: Path, epoch: int) -> Path:
    """The file that a PEP 517 hook builds from a source folder."""
    target.mkdir()
    program = f"import os; os.umask(0o022); from setuptools import build_meta; build_meta.{hook}({str(target)!r})"
    _run(source, sys.executable, "-c", program, **{EPOCH: str(epoch), "PYTHONHASHSEED": "0", "TZ": "UTC"})
    [made] = target.iterdir()
    return made


def canonical(archive: bytes, epoch: int) -> bytes:
    """The ``.tar.gz`` with its members sorted, without owners, and with one timestamp."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as read, tarfile.open(fileobj=plain, mode="w") as written:
        for member in sorted(read.getmembers(), key=lambda member: member.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = epoch
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            written.addfile(member, read.extractfile(member) if member.isfile() else None)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=epoch) as file:
        file.write(plain.getvalue())
    return packed.getvalue()


def _run(folder: Path, *command: str, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise NotBuilt(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(sdist: Path, wheel: Path) -> None:
    """Checks for what a registry would reject and for files that do not belong in a wheel.

    Raises:
        NotBuilt: A check failed; the message is its output.
    """
    for module, *options in CHECKS:
        files = [wheel] if module == "check_wheel_contents" else [sdist, wheel]
        _run(wheel.parent, sys.executable, "-m", module, *options, *map(str, files))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.release.artefacts", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--commit", default="HEAD", help="what to build, such as v0.1.0")
    options = parser.parse_args(arguments)
    try:
        made = build(options.folder.absolute(), commit=options.commit)
        check(*made)
    except NotBuilt as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for file in made:
        sys.stdout.write(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file}  {file.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

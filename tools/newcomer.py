"""``python -m tools.newcomer``: follows README.rst in an empty home directory, from clone to an answer in Claude Code.

Every command is taken from README.rst, found by words in it; only the vendor is a local fake. Prints the duration and
the output of each step. Needs git, curl and the programs that ``tools.newest_programs`` installs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.fake_upstream import Behaviour, Call, FakeUpstream
from tools.newest_programs import FOLDERS

ROOT = Path(__file__).parents[1]
ADDRESS = "127.0.0.1:8000"
"""The address that README.rst says Nexus listens on."""

MOST_SECONDS = 900
GREETING = 'print("Hello from Gemini, through Claude Code!")\n'
FILE = "greeting.py"
ANSWER = f"I wrote {FILE}. Run it with: python3 {FILE}"
_CODE = re.compile(r"^\.\. code-block:: (?:shell|console)\n\n((?:    .*\n|\n)+)", re.MULTILINE)


class Stumbled(Exception):
    """A step did not do what README.rst says; the message has its output."""


def commands(readme: str) -> list[str]:
    """Every command of the page, as a user types it."""
    found: list[str] = []
    for block in _CODE.findall(readme):
        text = re.sub(r"^    ", "", block, flags=re.MULTILINE).replace("\\\n", " ")
        lines = text.splitlines()
        typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")] or lines
        found += [re.sub(r"\s+#.*$", "", line).strip() for line in typed if line.strip()]
    return found


def command(readme: str, *words: str) -> str:
    """The first command that contains all the words."""
    for line in commands(readme):
        if all(word in line for word in words):
            return line
    raise Stumbled(f"README has no command with {words}")


@dataclass
class Newcomer:
    """An empty home directory; times each step."""

    home: Path
    vendor: FakeUpstream
    address: str
    took: list[tuple[str, float]] = field(default_factory=list)
    said: str = ""

    @property
    def checkout(self) -> Path:
        return self.home / "nexus"

    @property
    def readme(self) -> str:
        return (self.checkout / "README.rst").read_text()

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "SSL_CERT"))}
        programs = FOLDERS["newest"] / "node_modules" / ".bin"
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GEMINI_API_KEY": "made-up",
            "NEXUS_LISTEN_ADDRESS": self.address,
            # Claude Code sends requests only to the gateway, and accepts running as root.
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        }

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.took.append((name, time.monotonic() - began))

    def shell(self, text: str, folder: Path | None = None) -> str:
        """The stdout and stderr of a command. Raises Stumbled if it fails."""
        done = subprocess.run(
            ["sh", "-c", text.replace(ADDRESS, self.address)],
            cwd=folder or self.checkout,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Stumbled(f"{text}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def typed(self, text: str) -> str:
        """The same, after typing README's line that activates the environment."""
        self.said += f"$ {text}\n"
        said = self.shell(f"{command(self.readme, 'activate')} && {text}")
        self.said += said
        return said


@contextmanager
def serving(newcomer: Newcomer, line: str) -> Iterator[None]:
    """Starts a server with ``line``, waits until it is ready, and stops it with Ctrl-C."""
    process = subprocess.Popen(
        ["sh", "-c", line],
        cwd=newcomer.checkout,
        env=newcomer.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    host, _, port = newcomer.address.partition(":")
    end = time.monotonic() + MOST_SECONDS
    try:
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise Stumbled(f"{line}: nothing serves at {newcomer.address}") from None
                time.sleep(0.05)
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(MOST_SECONDS)


def walk(newcomer: Newcomer) -> None:
    """Runs every step in order. Raises Stumbled."""
    with newcomer.step("clone"):
        newcomer.shell(f"git clone -q {ROOT} nexus", newcomer.home)
    readme = newcomer.readme
    with newcomer.step("set up, until it serves"):
        served = serving(newcomer, command(readme, "pip install . &&"))
        served.__enter__()
    try:
        with newcomer.step("first call, without a key"):
            expect("You said: Hello!", newcomer.shell(command(readme, "curl", "demo/echo")))
    finally:
        served.__exit__(None, None, None)
    with newcomer.step("nexus init"):
        expect("wrote nexus.toml with google (GEMINI_API_KEY)", newcomer.typed(command(readme, "nexus init")))
    # The only difference from README.rst: the vendor is a fake on this machine.
    file = newcomer.checkout / "nexus.toml"
    file.write_text(file.read_text().replace("api_key = ", f'base_url = "{newcomer.vendor.base_url}"\napi_key = ', 1))
    with newcomer.step("an answer of Claude Code"):
        newcomer.vendor.next(
            Behaviour(parts=(Call("Write", json.dumps({"file_path": FILE, "content": GREETING})),)),
            Behaviour(text=ANSWER),
        )
        expect(ANSWER, newcomer.typed(command(readme, "nexus claude", " -p ")))
        expect("Hello from Gemini", newcomer.typed(command(readme, f"python3 {FILE}")))
    with newcomer.step("nexus test"):
        newcomer.typed(command(readme, "nexus test"))


def expect(words: str, seen: str) -> None:
    if words not in seen:
        raise Stumbled(f"no {words!r} in:\n{seen}")


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.newcomer", description=(__doc__ or "").split("\n\n")[0])
    parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder, FakeUpstream("gemini") as vendor:
        newcomer = Newcomer(Path(folder), vendor, free_address())
        try:
            walk(newcomer)
        except Stumbled as stumbled:
            sys.stdout.write(f"{stumbled}\n")
            return 1
        finally:
            for name, seconds in newcomer.took:
                sys.stdout.write(f"{seconds:7.1f} s  {name}\n")
            sys.stdout.write(f"{sum(seconds for _, seconds in newcomer.took):7.1f} s  in all\n\n{newcomer.said}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

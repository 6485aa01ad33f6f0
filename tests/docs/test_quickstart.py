"""README's quickstart in an empty home directory, from clone to an answer of Claude Code; only the vendor is a fake.

Slow, because it installs Nexus and runs the real Claude Code.
"""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, snippets_of
from tests.programs.kit import NEWEST, path_of
from tests.serving import wait_until
from tools.fake_upstream import Behaviour, Call, FakeUpstream
from tools.ports import free_port

README = ROOT / "README.rst"
ADDRESS = "127.0.0.1:8000"
"""The address that README.rst says Nexus listens on."""

PATIENCE = 900.0
GREETING = 'print("Hello from Gemini, through Claude Code!")\n'
FILE = "greeting.py"
ANSWER = f"I wrote {FILE}. Run it with: python3 {FILE}"


def command(*words: str) -> str:
    """The first command of README that contains all the words, as a user types it."""
    typed = (one.typed for one in snippets_of(README) if one.language in ("shell", "console"))
    lines = [re.sub(r"\s+#.*$", "", line) for text in typed for line in text.replace("\\\n", " ").splitlines()]
    return next(line.strip() for line in lines if all(word in line for word in words))


@dataclass
class Newcomer:
    """An empty home directory with a clone; ``said`` is what the commands printed."""

    home: Path
    address: str
    said: str = ""

    @property
    def checkout(self) -> Path:
        return self.home / "nexus"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "SSL_CERT"))}
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{NEWEST / '.bin'}:{os.environ['PATH']}",
            "GEMINI_API_KEY": "made-up",
            "NEXUS_LISTEN_ADDRESS": self.address,
            # Claude Code sends requests only to the gateway, and accepts running as root.
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        }

    def types(self, *words: str, activates: bool = True) -> str:
        """Runs README's command with these words, which must succeed; returns what it printed."""
        line = command(*words)
        text = f"{command('activate')} && {line}" if activates else line
        shell = ["sh", "-c", text.replace(ADDRESS, self.address)]
        done = subprocess.run(
            shell,
            cwd=self.checkout,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}"
        self.said += f"$ {line}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def serving(self, line: str) -> Iterator[None]:
        """Starts a server with ``line``, waits until it is ready, and stops it with Ctrl-C."""
        process = subprocess.Popen(
            ["sh", "-c", line],
            cwd=self.checkout,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        def is_ready() -> bool:
            assert process.poll() is None, f"{line} ended with {process.returncode}"
            with suppress(OSError):
                urllib.request.urlopen(f"http://{self.address}/ready").close()
                return True
            return False

        try:
            wait_until(is_ready, PATIENCE)
            yield
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(PATIENCE)


@pytest.mark.slow
def test_from_clone_to_an_answer_of_claude_code(tmp_path: Path) -> None:
    path_of("claude")
    with free_port() as port, FakeUpstream("gemini") as vendor:
        newcomer = Newcomer(tmp_path, f"127.0.0.1:{port}")
        subprocess.run(["git", "clone", "-q", str(ROOT), str(newcomer.checkout)], check=True)
        with newcomer.serving(command("pip install . &&")):
            assert "You said: Hello!" in newcomer.types("curl", "demo/echo", activates=False)
        newcomer.said = ""
        assert "wrote nexus.toml with google (GEMINI_API_KEY)" in newcomer.types("nexus init")
        # The only difference from README.rst: the vendor is a fake on this machine.
        file = newcomer.checkout / "nexus.toml"
        file.write_text(file.read_text().replace("api_key = ", f'base_url = "{vendor.base_url}"\napi_key = ', 1))
        call = Call("Write", json.dumps({"file_path": FILE, "content": GREETING}))
        vendor.next(Behaviour(parts=(call,)), Behaviour(text=ANSWER))
        assert ANSWER in newcomer.types("nexus claude", " -p ")
        assert "Hello from Gemini" in newcomer.types(f"python3 {FILE}")
        newcomer.types("nexus test")
    # The output shown in README appears exactly; Claude Code may print more.
    (recorded,) = (one.text for one in snippets_of(README) if one.language == "console")
    seen, shown = (re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text) for text in (newcomer.said, recorded))
    assert [line for line in shown.splitlines() if line not in seen.splitlines()] == []


def test_readme_has_every_quickstart_command() -> None:
    single = ("pip install . &&", "activate", "nexus init", "nexus test", f"python3 {FILE}")
    assert all(map(command, single)) and command("curl", "demo/echo") and command("nexus claude", " -p ")

"""Line and branch coverage of the codecs, the bridge and the gateway; fails below a minimum.

Runs the smallest set of tests that covers these files as well as the whole suite does. Ignores whether they pass.

    python -m tools.coverage
    python -m coverage report -m --include='nexus/gateway/*'     then lists the lines that are not covered
"""

from __future__ import annotations

import subprocess
import sys

FLOORS = {"nexus/protocols/*": 97.5, "nexus/server/bridge.py": 98, "nexus/gateway/*": 93.5}
"""Minimum coverage of lines and branches in per cent."""

_PURE = ("conversation", "gateway", "laws", "models", "protocols", "relay", "test_route.py")
_SERVED = (
    *(
        "attribution",
        "bedrock_format",
        "bridge",
        "budgets",
        "codex_catalog",
        "converse_format",
        "deferred_tools",
        "embeddings",
        "endpoints",
    ),
    *(
        "gemini_format",
        "gemini_governed",
        "files",
        "learned_quirks",
        "needed_thinking",
        "openai_models",
        "raw",
        "rejected_members",
    ),
    *("response_store", "stored", "unforced_claude", "virtual_models", "web_search"),
)
TESTS = (*(f"tests/{name}" for name in _PURE), *(f"tests/server/test_{name}.py" for name in _SERVED))


def _run(*command: str) -> int:
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


def main() -> int:
    _run("pytest", "--cov", "--cov-report=", *TESTS)
    below = False
    for files, floor in FLOORS.items():
        sys.stdout.write(f"{files}, at least {floor} %: ")
        sys.stdout.flush()
        below |= _run("coverage", "report", f"--include={files}", f"--fail-under={floor}", "--format=total") != 0
    return int(below)


if __name__ == "__main__":
    sys.exit(main())

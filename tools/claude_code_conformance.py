"""Checks any gateway against Claude Code's gateway rules, C1 to C14, and prints the verdicts.

    python tools/claude_code_conformance.py http://127.0.0.1:8000/llm/anthropic --model M [--upstream 127.0.0.1:9200]
    python tools/claude_code_conformance.py --nexus

Needs only ``pip install .`` and runs from any directory. The code is in ``tools/conformance``; this file only makes
the checkout importable.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from tools.conformance.main import main

    sys.exit(main(sys.argv[1:], os.environ))

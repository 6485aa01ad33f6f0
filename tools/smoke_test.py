"""Sends a test request for every configured model through every client protocol and prints the results.

    python tools/smoke_test.py --config nexus.toml [provider/model ...] [--capability tools,vision] [--json]
                               [--url http://HOST:PORT] [--client-key-env NAME] [--header 'NAME: VALUE']

Needs only ``pip install .`` and runs from any directory. The same as ``nexus test``; this file only makes the checkout
importable.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from nexus.cli.smoke.main import main

    sys.exit(main(sys.argv[1:], os.environ))

"""Soak test: mixed traffic for some minutes; exits with 1 if threads, sockets or memory have grown.

    python tools/soak.py [MINUTES]

Loopback and Linux only. The gateway runs in its own process, the fake vendor in this one.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from tools.faults.soak import main

    sys.exit(main(sys.argv[1:]))

"""Subjects a gateway to every client and vendor fault; prints what the client saw and which resources were released.

    python tools/chaos.py [--list] [WORD ...]

Loopback and Linux only. The gateway runs in its own process, the fake vendor in this one.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from tools.faults.chaos import main

    sys.exit(main(sys.argv[1:]))

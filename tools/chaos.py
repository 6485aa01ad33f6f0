"""Makes a gateway suffer every fault of clients and vendors; prints what was seen and what was given back.

    python tools/chaos.py [--list] [WORD ...]

Loopback only; the gateway is a process of its own, the vendor a fake inside this one. Linux only.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from tools.faults.chaos import main

    sys.exit(main(sys.argv[1:]))

"""Mixed traffic against a gateway for some minutes; ends with the threads, sockets and memory that it began with, or 1.

    python tools/soak.py [MINUTES]

Loopback only; the gateway is a process of its own, the vendor a fake inside this one. Linux only.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from tools.faults.soak import main

    sys.exit(main(sys.argv[1:]))

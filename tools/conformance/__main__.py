"""``python -m tools.conformance``: checks any gateway against Claude Code's gateway rules."""

from __future__ import annotations

import os
import sys

from tools.conformance.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

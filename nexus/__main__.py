"""``python -m nexus``: the same as the command ``nexus``.

Law: nothing is imported from the folder in which it is started. ``python -m`` looks there first, and a stranger's
``requests.py`` or ``tornado/`` would be taken for the library.
"""

from __future__ import annotations

import os
import sys

if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from nexus.cli import main

if __name__ == "__main__":
    sys.exit(main())

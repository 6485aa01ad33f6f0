"""``python -m nexus``: the same as the ``nexus`` command.

Law: nothing but the call.
"""

import sys

from nexus.cli import main

if __name__ == "__main__":
    sys.exit(main())

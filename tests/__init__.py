"""The test suite mirrors the source; ``serving`` starts the real server, ``tools.fake_upstream`` the fake vendors."""

import os
import sys

# pytest rewrites the tests and Hypothesis. With PYTHONDONTWRITEBYTECODE set, each process would do so again, and each
# server that the tests start would compile Nexus.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

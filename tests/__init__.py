"""The test suite mirrors the source; ``serving`` starts the real server, ``tools.fake_upstream`` the fake vendors."""

import sys

# pytest rewrites the tests and Hypothesis. With PYTHONDONTWRITEBYTECODE set, each process would do so again.
sys.dont_write_bytecode = False

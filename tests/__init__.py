"""The test suite mirrors the source; ``serving`` starts the real server, ``tools.fake_upstream`` the fake vendors."""

import sys

# pytest rewrites the tests and all of Hypothesis. Each process would do so anew where PYTHONDONTWRITEBYTECODE is set.
sys.dont_write_bytecode = False

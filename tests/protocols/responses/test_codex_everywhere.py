"""Codex's request in every vendor's dialect, and every vendor's calls as Codex gets them.

The other tests of each dialect check what is written; here nothing may be lost or rejected.
"""

import json

import pytest

from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.protocols.responses.read_request import read_request

from .test_read_request import CODEX


@pytest.mark.parametrize("dialect", ["chat", "messages", "gemini", "converse"])
def test_codexs_request_reaches_every_dialect(dialect: str) -> None:
    written = loader.vendor(dialect).write_request(read_request(CODEX).request, Target("some-model"))
    sent = json.dumps(written.body)
    for kept in ("rules", "now hurry", "I will.", "*** Begin", "a.txt", "AA==", "start: x"):
        assert kept in sent
    for name in ("exec_command", "apply_patch", "multi_agent_v1__spawn_agent"):
        assert sent.count(name) >= 2, "a definition and a call"

"""What all fake vendors have in common: their paths, methods, keys and leniency, and their command line.

The tests of the server prove their answers and faults: the vendors' SDKs read them there.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tools.fake_upstream import FakeUpstream

ASK: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
SAY: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello!"}]}]}
TALK: dict[str, Any] = {"max_tokens": 16, "messages": [{"role": "user", "content": "Hello!"}]}
BEARER = {"authorization": "Bearer k"}
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PLACE = "/v1/projects/p/locations/us-east5/publishers"


@dataclass(frozen=True)
class Door:
    """One way to ask a vendor: where, and with what."""

    vendor: str
    path: str
    body: dict[str, Any]
    auth: dict[str, str] = field(default_factory=lambda: BEARER)


GEMINI_PATH = "/v1beta/models/gemini-2.5-flash:"
DOORS = {
    "openai": Door("openai", "/v1/chat/completions", TALK | {"model": "m"}),
    "anthropic": Door(
        "anthropic", "/v1/messages", TALK | {"model": "m"}, {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    ),
    "gemini": Door("gemini", GEMINI_PATH + "generateContent", ASK, {"x-goog-api-key": "k"}),
    "vertex": Door("vertex", PLACE + "/google/models/gemini-2.5-flash:generateContent", ASK),
    "vertex-claude": Door(
        "vertex",
        PLACE + "/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        TALK | {"anthropic_version": "vertex-2023-10-16"},
    ),
    "invoke": Door("bedrock", f"/model/{CLAUDE}/invoke", TALK | {"anthropic_version": "bedrock-2023-05-31"}),
    "converse": Door("bedrock", "/model/amazon.nova-lite-v1:0/converse", SAY),
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


@pytest.fixture
def fake(door: Door) -> Iterator[FakeUpstream]:
    with FakeUpstream(door.vendor) as upstream:
        yield upstream


def ask(fake: FakeUpstream, door: Door, **more: Any) -> requests.Response:
    return requests.post(fake.origin + door.path, json=door.body | more, headers=door.auth, timeout=60)


def test_wrong_paths_methods_and_bodies_are_rejected(fake: FakeUpstream, door: Door) -> None:
    url = fake.origin + door.path
    assert requests.post(fake.origin + "/v1/nothing", json={}, headers=door.auth, timeout=60).status_code == 404
    assert requests.put(url, json=door.body, headers=door.auth, timeout=60).status_code == 405
    assert requests.post(url, json=door.body, timeout=60).status_code in (401, 403)
    assert requests.post(url, data="{}", headers=door.auth, timeout=60).status_code == 400
    assert requests.post(url, json=[1], headers=door.auth, timeout=60).status_code == 400
    assert ask(fake, door, frobnicate=1).status_code == 400
    assert len(fake.violations) == 6, fake.violations
    assert "frobnicate" in fake.violations[-1]


def test_a_lenient_fake_accepts_unknown_fields(door: Door) -> None:
    with FakeUpstream(door.vendor, strict=False) as fake:
        assert ask(fake, door, frobnicate=1).status_code == 200


def test_any_key_but_the_expected_one_is_rejected(door: Door) -> None:
    with FakeUpstream(door.vendor, api_key="right") as fake:
        assert ask(fake, door).status_code in (400, 401, 403)
        right = {
            name: value.removesuffix("k") + "right" if value.endswith("k") else value
            for name, value in door.auth.items()
        }
        assert requests.post(fake.origin + door.path, json=door.body, headers=right, timeout=60).status_code == 200
        assert len(fake.violations) == 1


ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_command_line_starts_every_fake(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    vendors = ("openai", "anthropic", "gemini", "vertex", "bedrock")
    arguments = [word for vendor in vendors for word in (f"--{vendor}", "0")]
    arguments += ["--text", "Hi", "--service-account", str(key)]
    command = [sys.executable, "-m", "tools.fake_upstream", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            lines = "".join(process.stdout.readline() for _ in vendors)
            urls = dict(re.findall(r"fake (\w+) listens on (\S+)", lines))
            for door in DOORS.values():
                origin = re.sub(r"(:\d+)/.*", r"\1", urls[door.vendor])
                reply = requests.post(origin + door.path, json=door.body, headers=door.auth, timeout=60)
                assert '"Hi"' in reply.text
                assert re.match(rf"{door.vendor} POST \S+ model=[\w.:@-]+ unary", process.stdout.readline())
            assert json.loads(key.read_text())["token_uri"].endswith("/token")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_sdks_are_imported_only_at_start() -> None:
    code = (
        "import sys; from tools.fake_upstream import FakeUpstream\n"
        "for name in ('openai', 'anthropic', 'gemini', 'vertex', 'bedrock'): FakeUpstream(name)\n"
        "sdks = {'openai', 'anthropic', 'google.genai', 'google.auth', 'botocore', 'boto3', 'cryptography'}\n"
        "assert not sdks & sys.modules.keys(), sdks & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})

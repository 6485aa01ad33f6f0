"""Codex with a ChatGPT login: its own token reaches the one provider that accepts it, along with a gateway key.

The login is an unsigned file; the vendor is a fake at loopback, configured as the host that receives logins.
"""

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nexus.server.clients import Access, codex
from tests.programs.conftest import DONE, OpenRoom, Room
from tests.programs.lanes import RESPONSES
from tests.serving import ALICE, Nexus

pytestmark = pytest.mark.slow

GATE = f'[server.keys.alice]\nkey = "{ALICE}"\n'
ACCOUNT = "acct-0123"
WITHOUT_LOGIN = ("--disable", "plugins", "-c", "analytics.enabled=false")


def token(**claims: Any) -> str:
    about = {"iss": "https://auth.openai.com", "exp": int(time.time()) + 86_400, **claims}
    about["https://api.openai.com/auth"] = {"chatgpt_account_id": ACCOUNT, "chatgpt_plan_type": "pro"}
    parts = ({"alg": "RS256", "typ": "JWT"}, about, "hushhush")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def log_in(home: Path) -> str:
    """What ``codex login`` stores; returns the token."""
    folder = home / ".codex"
    folder.mkdir()
    access = token(aud=["https://api.openai.com/v1"])
    tokens = {"id_token": token(email="a@example.com"), "access_token": access, "account_id": ACCOUNT}
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    said = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "last_refresh": now}
    (folder / "auth.json").write_text(json.dumps({**said, "tokens": {**tokens, "refresh_token": "rt-hushhush"}}))
    return access


def run(room: Room, nexus: Nexus) -> str:
    variables, options = codex(Access(nexus.settings, nexus.base, ALICE), "v/m")
    flags = [*options, "exec", *WITHOUT_LOGIN, "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    home = {"CODEX_HOME": str(room.desk.home / ".codex")}
    return room.desk.run("codex", [*flags, "Hello?"], variables | home)


def test_the_login_is_forwarded_and_the_gateway_key_is_not(open_room: OpenRoom) -> None:
    room = open_room(replace(RESPONSES, keys=f'{RESPONSES.keys}forward_login = "127.0.0.1"\n'), GATE)
    access = log_in(room.desk.home)
    assert DONE in run(room, room.nexus)
    seen = room.upstream.requests[0]
    assert seen.header("authorization") == f"Bearer {access}"
    assert seen.header("chatgpt-account-id") == ACCOUNT
    assert (seen.header("user-agent") or "").startswith("codex")
    assert ALICE not in str(room.upstream.requests)
    # With a login, Codex itself asks ChatGPT about plan and plugins, whatever its provider.
    hosts = {asked.split()[1] for asked in room.desk.trap.asked}
    assert hosts <= {"chatgpt.com:443"}
    room.desk.trap.asked.clear()

"""``api_key_command``: when Nexus runs it, how often, and that its output is never revealed."""

import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexus.errors import UpstreamError
from nexus.provider import accounts
from nexus.provider.key_command import LARGEST, KeyCommand
from nexus.telemetry import logs
from tests.conftest import Serve
from tests.server.vendors import LANES, Lane
from tests.serving import CHAT, Nexus, wait_until
from tests.threads import no_thread
from tools.fake_upstream import Behaviour, FakeUpstream

OWN = "sk-hushhush-callers-own"


@dataclass
class Program:
    """Prints the contents of a file, and counts its runs."""

    folder: Path

    @property
    def line(self) -> str:
        script = (
            "import os, sys; open(sys.argv[1] + '/runs', 'a').write('x'); "
            "print(open(sys.argv[1] + '/key').read()); print('hushhush-noise', file=sys.stderr)"
        )
        return f"""api_key_command = ['{sys.executable}', "-c", "{script}", "{self.folder}"]"""

    def says(self, key: str) -> None:
        (self.folder / "key").write_text(key)

    @property
    def runs(self) -> int:
        file = self.folder / "runs"
        return len(file.read_text()) if file.exists() else 0


@pytest.fixture
def program(tmp_path: Path) -> Program:
    folder = tmp_path / "program"
    folder.mkdir()
    made = Program(folder)
    made.says("sk-hushhush-first")
    return made


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai") as vendor:
        yield vendor


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "LEAST_BETWEEN", 0.0)


def house(serve: Serve, upstream: FakeUpstream, program: Program, more: str = "") -> Nexus:
    return serve(
        f'[llm.providers.v]\ntype = "openai"\nbase_url = "{upstream.base_url}"\n{program.line}\n{more}\n'
        'models.m.rename = "gpt-4"\nretries.attempts = 1\n'
    )


def ask(nexus: Nexus, headers: dict[str, str] | None = None) -> int:
    return nexus.chat({**CHAT, "model": "v/m"}, headers).status


def sent(upstream: FakeUpstream) -> list[str | None]:
    return [(seen.header("authorization") or "").removeprefix("Bearer ") for seen in upstream.requests]


def test_it_runs_at_start_and_serves_every_call(serve: Serve, upstream: FakeUpstream, program: Program) -> None:
    nexus = house(serve, upstream, program)
    wait_until(lambda: program.runs == 1)
    assert [ask(nexus) for _ in range(3)] == [200] * 3
    assert (sent(upstream), program.runs) == (["sk-hushhush-first"] * 3, 1)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_replaced_and_the_call_retried_once(
    serve: Serve, upstream: FakeUpstream, program: Program, status: int
) -> None:
    nexus = house(serve, upstream, program)
    assert ask(nexus) == 200
    program.says("sk-hushhush-second")
    upstream.next(Behaviour(status=status), Behaviour())
    assert ask(nexus) == 200
    assert sent(upstream) == ["sk-hushhush-first", "sk-hushhush-first", "sk-hushhush-second"]
    upstream.next(Behaviour(status=status), Behaviour(status=status))
    assert ask(nexus) == status
    assert program.runs == 3, "the program printed the same key, so there was nothing to retry"
    assert len(upstream.requests) == 4


def test_the_command_does_not_run_again_within_half_a_minute(
    serve: Serve, upstream: FakeUpstream, program: Program
) -> None:
    nexus = house(serve, upstream, program)
    upstream.next(*[Behaviour(status=401)] * 3)
    assert [ask(nexus) for _ in range(3)] == [401] * 3
    assert (program.runs, len(upstream.requests)) == (1, 3)


@pytest.mark.usefixtures("often")
def test_the_command_does_not_run_for_a_callers_own_key(serve: Serve, upstream: FakeUpstream, program: Program) -> None:
    nexus = house(serve, upstream, program, "forward_token = true")
    wait_until(lambda: program.runs == 1)
    upstream.next(Behaviour(status=401))
    assert ask(nexus, {"x-provider-api-key": OWN}) == 401
    assert (sent(upstream), program.runs) == ([OWN], 1)
    assert ask(nexus) == 200
    assert sent(upstream) == [OWN, "sk-hushhush-first"]


def test_a_failure_of_the_command_is_reported_to_the_caller(
    serve: Serve, upstream: FakeUpstream, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    (program.folder / "key").unlink()
    nexus = house(serve, upstream, program)
    for _ in range(2):
        reply = nexus.chat({**CHAT, "model": "v/m"})
        assert (reply.status, "v: api_key_command ended with the status 1" in reply.body.decode()) == (502, True)
    assert (program.runs, upstream.requests) == (1, [])
    told = [record.__dict__["fields"] for record in caplog.records if record.name == "nexus.renewal"]
    assert told == [{"provider": "v", "why": "api_key_command ended with the status 1", "kept": False}]


@pytest.mark.usefixtures("often")
def test_a_later_failure_keeps_the_old_key(serve: Serve, upstream: FakeUpstream, program: Program) -> None:
    nexus = house(serve, upstream, program)
    assert ask(nexus) == 200
    (program.folder / "key").unlink()
    upstream.next(Behaviour(status=403), Behaviour())
    assert [ask(nexus), ask(nexus)] == [403, 200]


@pytest.mark.usefixtures("often")
def test_the_command_runs_again_when_the_key_expires(serve: Serve, upstream: FakeUpstream, program: Program) -> None:
    nexus = house(serve, upstream, program, 'api_key_refresh = "1ms"')
    assert ask(nexus) == 200
    program.says("sk-hushhush-second")
    wait_until(lambda: ask(nexus) == 200 and sent(upstream)[-1] == "sk-hushhush-second")


def test_the_commands_output_is_redacted_in_the_log(serve: Serve, upstream: FakeUpstream, program: Program) -> None:
    logs.configure("trace", "text", ())
    try:
        assert ask(house(serve, upstream, program)) == 200
        sinks = [handler for handler in logging.getLogger().handlers if isinstance(handler, logs.LogHandler)]
        record = logging.LogRecord("nexus", logging.INFO, "", 0, "key sk-hushhush-first", None, None)
        assert [sink.format(record).endswith("key [redacted]") for sink in sinks] == [True]
    finally:
        logs.configure("off", "text", ())


LANES_WITH_KEYS = [lane for lane in LANES if lane.vendor in ("openai", "anthropic", "gemini")]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("lane", LANES_WITH_KEYS, ids=lambda lane: lane.name)
def test_every_vendor_with_an_api_key_supports_it(serve: Serve, program: Program, tmp_path: Path, lane: Lane) -> None:
    with FakeUpstream(lane.vendor) as vendor:
        text = lane.config(vendor, tmp_path)
        lines = [program.line if line.startswith("api_key =") else line for line in text.splitlines()]
        nexus = serve("\n".join(lines) + "\n")
        assert ask(nexus) == 200
        program.says("sk-hushhush-second")
        vendor.next(Behaviour(status=401), Behaviour())
        assert ask(nexus) == 200
        carried = [{value for _, value in seen.headers if "hushhush" in value}.pop()[-6:] for seen in vendor.requests]
        assert carried == ["-first", "-first", "second"]


def test_bedrock_supports_it(serve: Serve, program: Program, tmp_path: Path) -> None:
    (lane,) = [lane for lane in LANES if lane.name == "bedrock claude"]
    with FakeUpstream("bedrock", api_key="sk-hushhush-first") as vendor:
        text = lane.config(vendor, tmp_path)
        kept = [line for line in text.splitlines() if not line.startswith(("access_key_id", "secret_access_key"))]
        nexus = serve("\n".join(kept).replace("region =", f"{program.line}\nregion =") + "\n")
        assert ask(nexus) == 200
        assert vendor.requests[0].header("authorization") == "Bearer sk-hushhush-first"


PROGRAMS = {
    "nothing": ("pass", "printed nothing"),
    "two lines": ("print('a'); print('b')", "printed more than one line"),
    "too much": (f"print('a' * {LARGEST + 1})", f"printed more than {LARGEST} bytes"),
    "without an end": ("while True: print('a' * 1000)", f"printed more than {LARGEST} bytes"),
    "not ASCII": ("print('\\u00e4')", "printed more than one line, or characters"),
    "a failure": ("import sys; print('hushhush'); sys.exit(3)", "ended with the status 3"),
    "too long": ("import time; time.sleep(60)", "took longer than 0.3 s"),
    "too long, its output closed": ("import os, time; os.close(1); time.sleep(60)", "took longer than 0.3 s"),
}


@pytest.mark.parametrize(("script", "said"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_invalid_output_is_reported(script: str, said: str) -> None:
    limit = 0.3 if "longer" in said else 60.0
    with pytest.raises(UpstreamError) as failed:
        KeyCommand("v", (sys.executable, "-c", script), 60.0, limit=limit).fetch()
    assert said in str(failed.value)


def test_a_missing_program_is_reported() -> None:
    with pytest.raises(UpstreamError, match="cannot be started: no such file"):
        KeyCommand("v", ("/nowhere/get-key",), 60.0).fetch()


def test_the_command_runs_without_a_shell() -> None:
    assert KeyCommand("v", ("echo", "$HOME;", "`id`"), 60.0).fetch().value.get_secret_value() == "$HOME; `id`"


def test_the_command_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert KeyCommand("v", ("echo", "hushhush"), 60.0).fetch().value.get_secret_value() == "hushhush"


def test_a_pipe_that_a_child_keeps_open_ends_the_command_in_time() -> None:
    with pytest.raises(UpstreamError, match="took longer"):
        KeyCommand("v", ("sh", "-c", "echo hushhush; sleep 60 &"), 60.0, limit=0.3).fetch()

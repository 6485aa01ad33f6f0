"""Nexus as a process: start, console, signals, exit codes, and no key in any output."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.leaks import LEAKS
from tests.processes.test_cpu_affinity import needs_cores
from tests.serving import CHAT, KEY, MESSAGES, anthropic_config, openai_config, rest, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

STREAM = {**CHAT, "stream": True}


HANDING_OVER = """
import fcntl, os, sys
numbers, names, *command = sys.argv[1:]
# Out of the way first: one of them may have another one's place.
copies = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in numbers.split(",")]
for place, copy in enumerate(copies, 3):
    os.dup2(copy, place)
environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(copies)), "LISTEN_FDNAMES": names}
os.execve(command[0], command, os.environ | environ)
"""


class Process:
    """``python -m nexus`` with captured output and the most verbose logging."""

    def __init__(self, folder: Path, *arguments: str, hand_over: Sequence[int] = (), names: str = "") -> None:
        """``hand_over`` are descriptors passed to it from number 3 on, as by a service manager."""
        command = [sys.executable, "-m", "nexus", *arguments]
        if hand_over:
            command = [sys.executable, "-c", HANDING_OVER, ",".join(map(str, hand_over)), names, *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
        self._process = subprocess.Popen(
            command,
            pass_fds=hand_over,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[2]), "NEXUS_LOG": "trace"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def said(self, words: str) -> bool:
        return words in self.output

    @property
    def port(self) -> int:
        wait_until(lambda: self.said("/health"), 15)
        found = re.search(r"health: http://\S+:(\d+)/health", self.output)
        assert found is not None
        return int(found.group(1))

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        code = self._process.wait(60)
        self._reader.join(60)
        return code

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        LEAKS.check("console", "a server of its own", self.output)

    def post(
        self, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        response.connection = connection  # type: ignore[attr-defined]
        return response


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def run(config: str | None, *arguments: str) -> Process:
            if config is not None:
                (tmp_path / "nexus.toml").write_text(config)
            where = () if "-l" in arguments else ("-l", "127.0.0.1:0")
            process = Process(tmp_path, *where, *arguments)
            stack.callback(process.kill)
            return process

        yield run


CHAT_PATH = "/llm/openai/v1/chat/completions"


def finish(response: http.client.HTTPResponse) -> bytes:
    try:
        return rest(response)[0]
    finally:
        response.connection.close()  # type: ignore[attr-defined]


def test_the_first_lines_show_version_and_endpoints(start: Start, openai_upstream: FakeUpstream) -> None:
    process = start(openai_config(openai_upstream.base_url))
    port = process.port
    lines = [line.split(" INFO ", 1)[1].strip() for line in process.lines if " INFO " in line]
    assert re.fullmatch(r"Nexus \d+\.\d+\.\d+", lines[0])
    base = f"http://127.0.0.1:{port}/llm"
    assert [line.split()[:3] for line in lines[1:5]] == [
        ["Claude", "Code:", f"ANTHROPIC_BASE_URL={base}/anthropic"],
        ["Anthropic", "SDK:", f"ANTHROPIC_BASE_URL={base}/anthropic"],
        ["Codex:", "codex", "-c"],
        ["OpenAI", "SDK:", f"OPENAI_BASE_URL={base}/openai/v1"],
    ]
    assert lines[5] == f"health: http://127.0.0.1:{port}/health"
    assert f"dashboard: http://127.0.0.1:{port}/" in lines


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
    def test_calls_in_flight_finish_first(self, start: Start, openai_upstream: FakeUpstream, number: int) -> None:
        process = start(openai_config(openai_upstream.base_url))
        begun, go = threading.Event(), threading.Event()
        begun.set()
        openai_upstream.next(Behaviour(steps=(begun, begun, begun, go)))
        response = process.post(CHAT_PATH, STREAM)
        process.signal(number)
        wait_until(lambda: process.said("stopping"))
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", process.port), timeout=1)
        go.set()
        assert finish(response).endswith(b"data: [DONE]\n\n")
        assert process.wait() == 0

    @pytest.mark.slow
    def test_unfinished_calls_end_with_an_error_in_their_dialect(
        self, start: Start, openai_upstream: FakeUpstream
    ) -> None:
        process = start('[server]\ndrain_timeout = "100ms"\n' + openai_config(openai_upstream.base_url))
        openai_upstream.next(Behaviour(event_delay=30, only_before=2), Behaviour(hang=True))
        response = process.post(CHAT_PATH, STREAM)
        waiting = threading.Thread(target=lambda: answers.append(process.post(CHAT_PATH, CHAT)))
        answers: list[http.client.HTTPResponse] = []
        waiting.start()
        openai_upstream.wait_for_requests(2)
        process.signal(signal.SIGTERM)
        body = finish(response)
        assert b"the gateway is stopping" in body
        assert b"[DONE]" not in body
        waiting.join(60)
        assert answers[0].status == 503
        assert b"the gateway is stopping" in finish(answers[0])
        assert process.wait() == 0
        openai_upstream.wait_for_disconnects(2)


@pytest.mark.slow
@needs_cores
def test_a_busy_process_stays_on_one_core_unless_the_settings_forbid_it(
    start: Start, openai_upstream: FakeUpstream, tmp_path: Path
) -> None:
    toml = openai_config(openai_upstream.base_url)
    process = start(toml)
    everywhere = os.sched_getaffinity(process.pid)

    def cores_after_a_call() -> set[int]:
        finish(process.post(CHAT_PATH, CHAT))
        return os.sched_getaffinity(process.pid)

    wait_until(lambda: len(cores_after_a_call()) == 1)
    (tmp_path / "nexus.toml").write_text("[server]\ncpu_affinity = false\n" + toml)
    process.signal(signal.SIGHUP)
    wait_until(lambda: cores_after_a_call() == everywhere)


@pytest.mark.slow
def test_the_demo_serves_even_if_nobody_can_read_its_text(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "nexus", "-l", f"unix:{tmp_path}/socket"]
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process.stderr as log:
        said = next(line for line in log if "certificate authorities" in line or "browser pages" in line)
        process.send_signal(signal.SIGTERM)
        said += log.read()
    assert (process.wait(60), "stopped" in said) == (0, True)


@pytest.mark.slow
def test_a_public_address_without_authentication_gets_a_warning(start: Start, openai_upstream: FakeUpstream) -> None:
    process = start("[server]\nopen = true\n" + openai_config(openai_upstream.base_url), "-l", "0.0.0.0:0")
    assert process.port
    wait_until(lambda: process.said("without authentication"))


@pytest.mark.slow
def test_no_output_contains_a_key(
    start: Start, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
) -> None:
    """At the most verbose level, with vendors that repeat the key in errors and headers."""
    config = openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url)
    process = start(config, "--log", "trace")
    said = json.dumps({"error": {"message": f"bad key {KEY}", "type": "t", "param": None, "code": None}}).encode()
    bodies: list[bytes] = []
    for behaviour in (
        Behaviour(status=401, body=said, headers=(("x-request-id", KEY),)),
        Behaviour(status=500, body=said),
        Behaviour(garbage="http"),
        Behaviour(garbage="json"),
        Behaviour(reset_after=0),
        Behaviour(cut_after=2),
        Behaviour(),
    ):
        for body in (CHAT, STREAM):
            openai_upstream.next(behaviour, behaviour)
            response = process.post(CHAT_PATH, body)
            bodies.append(str(response.getheaders()).encode() + finish(response))
            openai_upstream.clear()
    response = process.post("/llm/anthropic/v1/messages", MESSAGES)
    bodies.append(finish(response))
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert KEY not in process.output
    assert KEY.encode() not in b"".join(bodies)


@pytest.mark.slow
class TestAccessLog:
    def test_one_line_per_call_with_the_vendors_usage(
        self, start: Start, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
    ) -> None:
        config = openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url)
        process = start(config, "--log-style", "json")
        used = Behaviour(input_tokens=100, cached_tokens=20, output_tokens=7)
        openai_upstream.default = anthropic_upstream.default = used
        finish(process.post(CHAT_PATH, STREAM))
        finish(process.post("/llm/anthropic/v1/messages", MESSAGES, {"x-claude-code-session-id": "s-1"}))
        finish(process.post(CHAT_PATH, {**CHAT, "model": "openai/none"}))
        finish(process.post(CHAT_PATH, {"no": "model"}))

        def calls() -> list[dict[str, Any]]:
            return [line for line in map(json.loads, list(process.lines)) if line["message"] == "call"]

        wait_until(lambda: len(calls()) == 4)
        stream, unary, unknown, unreadable = calls()
        assert (unreadable["protocol"], unreadable["status"]) == ("chat", 400)
        assert (stream["protocol"], stream["stream"], stream["status"], stream["stop"]) == ("chat", True, 200, "stop")
        assert (stream["in"], stream["cached"], stream["out"]) == (120, 20, 7)
        assert (unary["protocol"], unary["model"]) == ("messages", "anthropic/claude")
        assert unary["route"] == "anthropic/claude-sonnet-4-5"
        assert (unary["session"], stream["session"]) == ("s-1", None)
        assert (unary["in"], unary["cached"], unary["out"]) == (120, 20, 7)
        assert (unknown["status"], unknown["error"], unknown["route"]) == (404, "model_not_found", None)
        assert stream["total_ms"] >= stream["first_ms"] >= stream["own_ms"] >= 0

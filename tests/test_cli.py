"""The command line as a user runs it: `python -m nexus` in an empty folder."""

import os
import pty
import shlex
import subprocess
import sys
import types
from collections.abc import Mapping
from pathlib import Path

import pytest

from nexus import __version__
from nexus.__main__ import main as start
from nexus.cli import configured, init, options
from nexus.cli import main as cli
from nexus.server.process import preflight
from nexus.server.process.announce import demo_text
from nexus.server.process.source import Source
from nexus.server.sockets.service import Service
from nexus.settings import Settings, SettingsError
from nexus.telemetry import logs
from tests.console import ROOT, Command, python

KEYS = {"OPENAI_API_KEY": "sk-hushhush-openai", "ANTHROPIC_API_KEY": "sk-ant-hushhush"}

FILE = """\
[server]
listen_address = "127.0.0.1:9999"
[llm.providers.openai]
type = "openai"
api_key = "{{ env.OPENAI_API_KEY }}"
models.smart = { rename = "gpt-4" }
[llm.providers.byok]
type = "anthropic"
forward_token = true
base_url = "https://example.org/v1/"
models.claude = {}
[llm.providers.both]
type = "openai"
api_key = "sk-hushhush-both"
forward_token = true
models."gpt-3.5-turbo" = {}
[llm.providers.demo]
type = "echo"
models.echo = {}
"""


def test_windows_is_rejected_in_one_line_that_names_wsl(tmp_path: Path) -> None:
    for command in ([], ["--version"], ["check"]):
        run = python("import os, sys, nexus.__main__ as m; os.name = 'nt'; sys.exit(m.main())", tmp_path, *command)
        assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
        assert "WSL" in run.stderr


def test_version_prints_the_version(command: Command, tmp_path: Path) -> None:
    run = command(tmp_path, "--version")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"nexus {__version__}\n", "")


def test_check_without_a_file_checks_the_demo(command: Command, tmp_path: Path) -> None:
    run = command(tmp_path, "check")
    assert (run.returncode, run.stderr) == (0, "")
    assert "demo/echo-tools" in run.stdout
    head, *rows = run.stdout.split("\n\n")[0].splitlines()
    assert {row[head.index("TYPE") :].split(" ")[0] for row in rows} == {"echo"}, "columns are aligned"
    assert run.stdout.endswith("no nexus.toml here, the built-in demo: valid, 2 models\n")


def test_check_prints_routes_and_never_a_key(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text(FILE)
    run = command(tmp_path, "check", **KEYS)
    assert (run.returncode, run.stderr) == (0, "")
    rows = [line.split(maxsplit=5) for line in run.stdout.split("\n\n")[0].splitlines()]
    assert rows[1:4] == [
        ["openai/smart", "openai", "openai", "gpt-4", "https://api.openai.com/v1", "present"],
        ["byok/claude", "byok", "anthropic", "claude", "https://example.org/v1", "from client"],
        [
            "both/gpt-3.5-turbo",
            "both",
            "openai",
            "gpt-3.5-turbo",
            "https://api.openai.com/v1",
            "from client, else present",
        ],
    ]
    assert rows[4][:4] == ["demo/echo", "demo", "echo", "echo"]
    assert run.stdout.splitlines()[4].endswith("  not needed")
    assert "Claude Code: ANTHROPIC_BASE_URL=http://127.0.0.1:9999/llm/anthropic " in run.stdout
    assert "sk-" not in run.stdout


def test_check_lists_second_names_and_counts_models(command: Command, tmp_path: Path) -> None:
    login = 'type = "anthropic"\nforward_login = true\nmodels.sonnet.expose_as = "claude-sonnet"\n'
    (tmp_path / "nexus.toml").write_text(f"[llm.providers.a]\n{login}")
    run = command(tmp_path, "check")
    rows = [line.split(maxsplit=5) for line in run.stdout.split("\n\n")[0].splitlines()[1:]]
    assert [(row[0], row[3], row[5]) for row in rows] == [
        ("a/sonnet", "sonnet", "from client"),
        ("claude-sonnet", "sonnet", "from client"),
    ]
    assert run.stdout.endswith("valid, 1 model\n")


def test_check_warns_as_serving_would(command: Command, tmp_path: Path) -> None:
    run = command(tmp_path, "check", "-l", "0.0.0.0:80")
    assert run.returncode == 0
    assert "warning: listening on 0.0.0.0:80 without authentication" in run.stdout


def test_check_prints_every_problem(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text(FILE.replace("models.claude", "modles.claude"))
    run = command(tmp_path, "check")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.splitlines() == [
        "nexus.toml:5: llm.providers.openai.api_key: environment variable OPENAI_API_KEY is not set",
        '    5 | api_key = "{{ env.OPENAI_API_KEY }}"',
        "      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^",
        'nexus.toml:11: llm.providers.byok.modles: unknown key; did you mean "models"?',
        "   11 | modles.claude = {}",
        "      | ^^^^^^",
    ]


def test_serve_prints_problems_in_the_settings(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text("[llm")
    run = command(tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("nexus.toml:1: is not valid TOML: ")


MISSING: dict[str, tuple[list[str], dict[str, str]]] = {
    "flag": (["-c", "nope.toml"], {}),
    "flag, check": (["check", "-c", "nope.toml"], {}),
    "environment": ([], {"NEXUS_CONFIG_PATH": "nope.toml"}),
}


@pytest.mark.parametrize(("arguments", "environ"), MISSING.values(), ids=MISSING.keys())
def test_a_named_file_must_exist(
    command: Command, tmp_path: Path, arguments: list[str], environ: dict[str, str]
) -> None:
    run = command(tmp_path, *arguments, **environ)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "nope.toml: does not exist\n")


REFUSED: dict[str, tuple[list[str], dict[str, str], str]] = {
    "level": (["--log", "loud"], {}, "--log: choose from off, error, warn, info, debug, trace"),
    "level in the environment": ([], {"NEXUS_LOG": "loud"}, "NEXUS_LOG: choose from off, "),
    "style": (["--log-style", "color"], {}, "--log-style: choose from text, json"),
    "address": (["-l", "8000"], {}, "--listen-address: is not a listen address"),
    "address as a URL": (["-l", "http://127.0.0.1:8000"], {}, '--listen-address: is a URL; write "HOST:PORT"'),
    "empty address": (["-l", ""], {}, "--listen-address: is not a listen address"),
    "address in the environment": ([], {"NEXUS_LISTEN_ADDRESS": "x:y"}, "NEXUS_LISTEN_ADDRESS: must end with a port"),
    "empty path": (["-c", ""], {}, "--config: a path is missing"),
    "unknown command": (["srve"], {}, "invalid choice: 'srve'"),
    "nearest command": (["chek"], {}, "); did you mean check?"),
    "nearest verb": (["key", "nwe", "x"], {}, "did you mean new?"),
    "nearest flag": (["--confg=x"], {}, "unrecognized arguments: --confg; did you mean --config?"),
    "nearest flag, its value apart": (["--log-styl", "json"], {}, "arguments: --log-styl; did you mean --log-style?"),
    "nearest level": (["--log", "wran"], {}, "did you mean warn?"),
    "shortened flag": (["--conf=x"], {}, "unrecognized arguments"),
    "serving flag of init": (["init", "--log", "info"], {}, "unrecognized arguments"),
}


@pytest.mark.parametrize(("arguments", "environ", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_arguments_are_rejected_with_the_nearest_word(
    arguments: list[str], environ: Mapping[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        options.read_options(arguments, environ)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


OPTIONS: dict[str, tuple[list[str], dict[str, str], tuple[str, str | None, str | None, str, str]]] = {
    "nothing": ([], {}, ("serve", None, None, "info", "text")),
    "before the command": (["-c", "a", "-l", "[::1]:0", "check"], {}, ("check", "a", "[::1]:0", "info", "text")),
    "after the command": (["check", "-c", "a", "--log", "trace"], {}, ("check", "a", None, "trace", "text")),
    "on both sides": (["--log", "debug", "check", "-c", "a"], {}, ("check", "a", None, "debug", "text")),
    "several addresses": (
        ["-l", "h:1", "-l", "unix:s", "check", "-l", "h:2,h:3"],
        {},
        ("check", None, "h:1 unix:s h:2 h:3", "info", "text"),
    ),
    "several in the environment": (
        [],
        {"NEXUS_LISTEN_ADDRESS": "h:1,unix:s"},
        ("serve", None, "h:1 unix:s", "info", "text"),
    ),
    "init": (["init", "--config", "a"], {}, ("init", "a", None, "info", "text")),
    "test with words of its own": (["-c", "test", "test", "-c", "b", "m"], {}, ("test", "test", None, "info", "text")),
    "a key for test": (["key", "new", "test"], {}, ("key new", None, None, "info", "text")),
    "environment": (
        [],
        {"NEXUS_CONFIG_PATH": "a", "NEXUS_LISTEN_ADDRESS": "h:1", "NEXUS_LOG": "off", "NEXUS_LOG_STYLE": "json"},
        ("serve", "a", "h:1", "off", "json"),
    ),
    "flags win": (
        ["-c", "b", "-l", "h:2", "--log", "warn", "--log-style", "text"],
        {"NEXUS_CONFIG_PATH": "a", "NEXUS_LISTEN_ADDRESS": "h:1", "NEXUS_LOG": "off", "NEXUS_LOG_STYLE": "json"},
        ("serve", "b", "h:2", "warn", "text"),
    ),
    "empty variables are unset": (
        [],
        {"NEXUS_CONFIG_PATH": "", "NEXUS_LISTEN_ADDRESS": "", "NEXUS_LOG": "", "NEXUS_LOG_STYLE": ""},
        ("serve", None, None, "info", "text"),
    ),
}


@pytest.mark.parametrize(("arguments", "environ", "expected"), OPTIONS.values(), ids=OPTIONS.keys())
def test_flags_and_variables_are_read_wherever_they_stand(
    arguments: list[str], environ: dict[str, str], expected: tuple[object, ...]
) -> None:
    found = options.read_options(arguments, environ)
    config, address = found.config, found.listen_address
    assert (
        found.command,
        str(config) if config else None,
        " ".join(map(str, address)) if address else None,
        found.log,
        found.log_style,
    ) == expected


PASSED_ON: dict[str, tuple[list[str], str, tuple[str, ...]]] = {
    "models to try": (["test", "google/gemini", "-c", "a"], "test", ("google/gemini", "-c", "a")),
    "everything is tried": (["test"], "test", ()),
    "for Claude Code": (["claude", "-m", "m", "--", "-p", "hi"], "claude", ("-p", "hi")),
    "for Codex": (["codex", "--", "exec", "hi"], "codex", ("exec", "hi")),
}


@pytest.mark.parametrize(("arguments", "command", "passed"), PASSED_ON.values(), ids=PASSED_ON.keys())
def test_arguments_of_agents_are_passed_on(arguments: list[str], command: str, passed: tuple[str, ...]) -> None:
    found = options.read_options(arguments, {})
    assert (found.command, found.arguments) == (command, passed)


@pytest.mark.parametrize(
    "arguments",
    [["-c", "a", "-c", "b"], ["-c", "a", "check", "--config", "b"], ["check", "--log", "off", "--log", "off"]],
)
def test_a_repeated_flag_is_rejected(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.read_options(arguments, {})
    assert "was given twice" in capsys.readouterr().err


EXPOSED = {
    "a key": ('type = "openai"\napi_key = "sk-hushhush-x"', True),
    "the machine's own credentials": ('type = "bedrock"\nregion = "us-east-1"', True),
    "a program": ('type = "openai"\napi_key_command = ["/bin/true"]', True),
    "an identity": ('type = "openai"\nentra = {}', True),
    "a key that callers need not bring": ('type = "openai"\napi_key = "sk-hushhush-x"\nforward_token = true', True),
    "callers' own keys alone": ('type = "openai"\nforward_token = true', False),
    "a word": ('type = "openai"\napi_key = "none"\nbase_url = "http://localhost:11434/v1"', False),
    "no vendor": ('type = "echo"', False),
}


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(("provider", "refused"), EXPOSED.values(), ids=EXPOSED.keys())
def test_nobody_is_let_in_to_spend_what_is_not_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, refused: bool, command: str
) -> None:
    file = tmp_path / "nexus.toml"

    def read(server: str, *arguments: str) -> Settings:
        file.write_text(f"[server]\n{server}\n[llm.providers.p]\n{provider}\nmodels.m = {{}}\n")
        words = [command] if command == "check" else []
        return configured.source_of(options.read_options([*arguments, *words, "-c", str(file)], {}), {}).read()

    for server, arguments in (('listen_address = "0.0.0.0:80"', ()), ("", ("-l", "[::]:80")), ("", ("-l", "h:80"))):
        if refused:
            with pytest.raises(SettingsError, match=r"nexus key new NAME.*server\.open = true"):
                read(server, *arguments)
        else:
            read(server, *arguments)
    read('listen_address = "0.0.0.0:80"', "-l", "127.0.0.1:80")
    read('listen_address = ["127.0.0.1:80", "unix:s"]')
    read('listen_address = "0.0.0.0:80"\nopen = true')
    read(f'listen_address = "0.0.0.0:80"\nkeys.alice.sha256 = "{"5b1c5d3b7c0f0b1e" * 4}"')


@pytest.mark.parametrize(("terminal", "style"), [(True, "human"), (False, "text")])
def test_a_terminal_gets_the_human_readable_log(terminal: bool, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert options.read_options([], {}).log_style == style
    assert options.read_options(["--log-style", "json"], {}).log_style == "json"


def test_check_is_coloured_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text("[server]\nlisen = 1\n")

    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "nexus", "check"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "TERM": "xterm"},
            stderr=theirs,
            timeout=60,
            check=False,
        )
        assert b"\033[31m^^^^^\033[0m" in os.read(ours, 65536)
    finally:
        os.close(theirs)
        os.close(ours)


SERVED: dict[str, tuple[list[str], dict[str, str], bool, str]] = {
    "demo": ([], {}, True, "127.0.0.1:8000"),
    "demo, elsewhere": (["-l", "[::1]:0"], {}, True, "[::1]:0"),
    "named file": (["-c", "other.toml"], KEYS, False, "127.0.0.1:9999"),
    "flag over file": (["-c", "other.toml", "-l", "127.0.0.1:1"], KEYS, False, "127.0.0.1:1"),
    "environment over file": (
        ["-c", "other.toml"],
        {**KEYS, "NEXUS_LISTEN_ADDRESS": "127.0.0.1:2"},
        False,
        "127.0.0.1:2",
    ),
}


@pytest.mark.parametrize(("arguments", "environ", "demo", "address"), SERVED.values(), ids=SERVED.keys())
def test_the_server_starts_with_the_file_and_the_address_that_were_given(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environ: dict[str, str],
    demo: bool,
    address: str,
) -> None:
    served: list[tuple[Settings, bool]] = []
    configured: list[tuple[object, ...]] = []

    def serve(settings: Settings, source: Source, service: Service) -> int:
        served.append((settings, source.file is None))
        return 7

    server = types.ModuleType("nexus.server.process.run")
    server.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nexus.server.process.run", server)
    monkeypatch.setattr(logs, "configure", lambda *given: configured.append(given))
    monkeypatch.setattr(preflight, "problems", lambda *_, **__: [])
    for name in ("NEXUS_CONFIG_PATH", "NEXUS_LISTEN_ADDRESS", "NEXUS_LOG", "NEXUS_LOG_STYLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").write_text(FILE)
    assert cli.main([*arguments, "--log", "debug"]) == 7
    ((settings, was_demo),) = served
    assert (was_demo, " ".join(map(str, settings.server.listen_address))) == (demo, address)
    assert configured == [("debug", "text", ("sk-hushhush-openai", "sk-hushhush-both") if not demo else ())]


@pytest.mark.parametrize(
    ("google", "credential", "google_auth"),
    [
        pytest.param('api_key = "k-hushhush"', "present", False, id="Gemini API"),
        pytest.param('project = "p-1"', "not needed", True, id="Vertex AI", marks=pytest.mark.slow),
    ],
)
def test_check_imports_neither_the_server_nor_unused_vendors(
    tmp_path: Path, google: str, credential: str, google_auth: bool
) -> None:
    (tmp_path / "nexus.toml").write_text(f'llm.providers.g = {{ type = "google", {google}, models.m = {{}} }}\n')
    run = python("import sys; from nexus.cli.main import main; main(['check']); print(*sys.modules)", tmp_path)
    *said, last = run.stdout.splitlines()
    loaded = set(last.split())
    assert "nexus.providers.google" in loaded, run.stderr
    assert not {"tornado", "boto3", "botocore"} & loaded
    assert ("google.auth" in loaded) is google_auth
    assert credential in "".join(said) and "k-hushhush" not in run.stdout


def test_commands_work_with_folders_that_cannot_be_looked_into(command: Command, tmp_path: Path) -> None:
    """As with the HOME of another user: ``stat`` fails, and not because nothing is there."""
    where = {"HOME": f"/{'x' * 300}"}
    assert command(tmp_path, "init", **where).returncode == 0
    assert command(tmp_path, "check", **where).returncode == 0
    usage = command(tmp_path, "usage", **where)
    assert (usage.returncode, usage.stderr.endswith(".sqlite3: file name too long\n")) == (1, True)


def test_commands_work_for_a_user_that_the_system_does_not_know(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers may run under any user id, without HOME."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert [command(tmp_path, *arguments).returncode for arguments in (["check"], ["init", "--offline"])] == [0, 0]


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
        assert start() == 1
    assert capsys.readouterr().err == "nexus: Nexus requires Python 3.11 or newer; this is Python 3.10\n"


def test_init_writes_to_the_given_file(command: Command, tmp_path: Path) -> None:
    assert command(tmp_path, "-c", "other.toml", "init", "--offline").returncode == 0
    assert [file.name for file in tmp_path.iterdir()] == ["other.toml"]


def test_commands_printed_by_init_can_be_pasted(command: Command, tmp_path: Path) -> None:
    said = command(tmp_path, "-c", "my file's.toml", "init", "--offline").stdout
    lines = [line for line in said.splitlines() if "nexus test" in line or "nexus claude" in line]
    assert [shlex.split(line)[2:4] for line in lines] == [["-c", "my file's.toml"]] * 2


def test_init_refuses_to_overwrite(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text("mine")
    run = command(tmp_path, "init", "--offline", **KEYS)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "nexus: nexus.toml already exists and was not changed; remove it to start anew\n"
    assert (tmp_path / "nexus.toml").read_text() == "mine"


def test_init_does_not_follow_links(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").symlink_to(tmp_path / "elsewhere")
    assert command(tmp_path, "init", "--offline").returncode == 1
    assert not (tmp_path / "elsewhere").exists()


def test_init_reports_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.write(tmp_path / "nix" / "nexus.toml", {}, {}) == 1
    assert capsys.readouterr().err.endswith("nexus.toml cannot be written: no such file or directory\n")


def test_init_leaves_no_partial_file(tmp_path: Path) -> None:
    program = (
        "import pathlib, resource, sys; from nexus.cli.init import write;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); sys.exit(write(pathlib.Path('nexus.toml'), {}, {}))"
    )
    run = python(program, tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "nexus: nexus.toml cannot be written: file too large\n")
    assert not list(tmp_path.glob("*.toml"))


def test_a_dangling_link_is_reported_and_not_treated_as_absent(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").symlink_to(tmp_path / "elsewhere")
    run = command(tmp_path, "check")
    assert (run.returncode, run.stderr) == (1, "nexus.toml: does not exist\n")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("check", "default ./nexus.toml, else ~/.config/nexus/nexus.toml, else a demo"),
        ("codex", "default ~/.config/nexus/nexus.toml, else ./nexus.toml, else a demo"),
        ("init", "the file to write (env NEXUS_CONFIG_PATH; default ./nexus.toml)"),
    ],
)
def test_help_says_where_settings_are_searched(command: Command, tmp_path: Path, name: str, where: str) -> None:
    assert where in " ".join(command(tmp_path, name, "--help").stdout.split())


def test_the_demo_text_has_the_commands_to_try() -> None:
    text = demo_text("http://[::1]:8000/")
    assert "curl 'http://[::1]:8000/llm/openai/v1/chat/completions'" in text
    assert '{"model": "demo/echo", "messages": [{"role": "user", "content": "Hello!"}]}' in text
    assert "    export ANTHROPIC_BASE_URL='http://[::1]:8000/llm/anthropic'\n" in text
    assert "    export ANTHROPIC_MODEL=demo/echo\n" in text
    assert "ANTHROPIC_AUTH_TOKEN" in text


def test_check_says_how_protocols_that_share_a_path_are_told_apart(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text('llm.providers.demo = { type = "echo", models.echo = {} }\nllm.protocols.openai.path = "/"\n')
    assert "anthropic-version" not in command(tmp_path, "check").stdout
    file.write_text(file.read_text() + 'llm.protocols.anthropic.path = "/"\n')
    run = command(tmp_path, "check")
    decides = "the header anthropic-version decides in which protocol /v1/models answers"
    assert f"openai and anthropic at /: {decides}\n" in run.stdout


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["completion", "bash"], ["--nix"]])
def test_help_and_version_need_no_settings(tmp_path: Path, words: list[str]) -> None:
    program = (
        "import atexit, sys; from nexus.__main__ import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        f"sys.argv = ['nexus', *{words}]; sys.exit(main())"
    )
    run = python(program, tmp_path)
    loaded = run.stderr.splitlines()[-1].split()
    assert "nexus.cli.parser" in loaded
    assert not {"pydantic", "sqlite3", "tornado", "nexus.settings", "nexus.server"} & set(loaded)


def test_a_start_imports_no_codec_and_no_unconfigured_vendor(tmp_path: Path) -> None:
    """The first translated call imports a codec; a reload imports a vendor."""
    (tmp_path / "nexus.toml").write_text(
        'telemetry.semconv = "1.36"\nllm.providers.a = { type = "openai", api_key = "sk-x", models.m = {} }\n'
    )
    program = (
        "import asyncio, sys, nexus.server.process.run\nfrom pathlib import Path\n"
        "from nexus.server.sockets.listeners import Listeners\nfrom nexus.server.sockets.listening import bind\n"
        "from nexus.server.process.running import start\nfrom nexus.settings import ListenAddress, load\n"
        "settings = load(Path('nexus.toml'), {})\nprint(*sys.modules)\n"
        "async def main():\n    await start(settings, Listeners(bind(ListenAddress('127.0.0.1', 0)))).stop()\n"
        "asyncio.run(main())\nprint(*sys.modules)"
    )
    run = python(program, tmp_path)
    assert run.returncode == 0, run.stderr
    loaded, started = (set(line.split()) for line in run.stdout.splitlines())
    own = {name for name in loaded if name.startswith("nexus.providers.") and name.count(".") == 2}
    assert own == {"nexus.providers.openai"}
    late = (".codec", ".passthrough", ".passed", ".read_request", ".read_stream", ".write_request")
    assert {name for name in loaded if name.endswith((*late, "dashboard.data"))} == {"nexus.protocols.codec"}
    foreign = {"boto3", "google.auth", "redis", "jwt", "cryptography", "genai_prices", "argparse", "charset_normalizer"}
    assert not foreign & loaded
    exporters = ("opentelemetry", "grpc", "google.protobuf", "nexus.telemetry.otel.")
    assert not {name for name in started if name.startswith(exporters)}

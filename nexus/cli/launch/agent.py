"""Runs an agent with the environment to use a gateway, and exits with its exit code.

Signals from the terminal's keys are left to the agent; the launcher outlives it, to stop the gateway.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

from nexus.cli.launch.gateway import started
from nexus.cli.options import CommandError, Options
from nexus.cli.output import put
from nexus.cli.recognize import served_at
from nexus.dataclasses import dataclass
from nexus.errors import ModelNotFound
from nexus.gateway.routing import Routes
from nexus.server.clients import (
    KEY_VARIABLE,
    NO_KEY,
    Access,
    anthropic_sdk,
    claude_code,
    codex,
    first_model,
    missing_key,
    openai_sdk,
    reachable,
)
from nexus.server.process.source import Source
from nexus.settings import Settings, registry
from nexus.settings.listen import ListenAddress, url_of

_HOSTS = ("ANTHROPIC_AWS", "ANTHROPIC_GOOGLE_CLOUD", "BEDROCK", "FOUNDRY", "MANTLE", "VERTEX")
BYPASSES = ("ANTHROPIC_UNIX_SOCKET", *(f"CLAUDE_CODE_USE_{host}" for host in _HOSTS))
"""Variables that make Claude Code (2.1.332) bypass the gateway."""

REMOVED = ("ANTHROPIC_API_KEY", "ANTHROPIC_SMALL_FAST_MODEL", *BYPASSES)
"""Variables to remove: these, and those that would make an agent ask the user which credential or model to use."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an agent. ``protocol`` is the one that it uses, ``prepare`` gives its variables and flags."""

    program: str
    protocol: str
    prepare: Callable[[Access, str], tuple[dict[str, str], list[str]]]
    install: str
    elsewhere: tuple[str, ...] = ()
    """Paths below the home folder where its installers put it, which may not be on the PATH."""


AGENTS: Mapping[str, Launch] = {
    "claude": Launch(
        "claude",
        "anthropic",
        lambda gateway, model: (claude_code(gateway, model), []),
        "npm install -g @anthropic-ai/claude-code",
        (".claude/local/claude", ".local/bin/claude"),
    ),
    "codex": Launch("codex", "openai", codex, "npm install -g @openai/codex"),
}

CLIENTS: Mapping[str, Callable[[Access, str], dict[str, str]]] = {
    "claude": claude_code,
    "openai": lambda gateway, model: openai_sdk(gateway),
    "anthropic": lambda gateway, model: anthropic_sdk(gateway),
}
"""Client to the variables that ``nexus env`` prints for it."""


def launch(options: Options, settings: Settings, source: Source) -> int:
    """Runs an agent until it ends; returns its exit code."""
    how, model, environ = AGENTS[options.command], options.model, os.environ
    program = _found(how, environ)
    checked(settings, how.protocol, model)
    # A gateway with other settings, such as the demo's, may listen at this address.
    card = f"{settings.llm.paths[how.protocol]}/v1/models/{quote(_plain(model) or first_model(settings))}"
    with ExitStack() as stack:
        base = served_at(settings, card) or stack.enter_context(started(settings, source.file, environ))
        variables, flags = how.prepare(Access(settings, base, key_of(settings, environ)), model)
        sys.stderr.write(f"nexus: {how.program} through {reachable(base)} ({source.file or 'the built-in demo'})\n")
        return _run([program, *flags, *options.arguments], environment(environ, variables))


def show(options: Options, settings: Settings, source: Source) -> int:
    """Prints shell commands that point a client at the gateway of the settings, which need not run; returns the exit
    code."""
    client, model = options.client, options.model
    protocol = "openai" if client == "openai" else "anthropic"
    checked(settings, protocol, model)
    key = key_of(settings, os.environ)
    base = served_at(settings) or _address(settings)
    for name in BYPASSES:
        if client == "claude" and os.environ.get(name):
            put(f"unset {name}\n")
    for name, value in CLIENTS[client](Access(settings, base, key), model).items():
        put(f"export {name}={shlex.quote(value)}\n")
    return 0


def checked(settings: Settings, protocol: str, model: str) -> None:
    """Raises CommandError if the settings do not serve the protocol or the model."""
    if protocol not in settings.llm.paths:
        raise CommandError(f"the settings disable llm.protocols.{protocol}, which it needs")
    if model:
        try:
            Routes(registry.load_all(settings.llm.served), settings.llm.models).find(_plain(model))
        except ModelNotFound as error:
            raise CommandError(str(error)) from None


def _plain(model: str) -> str:
    """The name without Claude Code's own suffix, which it does not send."""
    return model.removesuffix("[1m]")


def key_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """The user's gateway key. Raises CommandError if the gateway requires one and none is set."""
    if key := environ.get(KEY_VARIABLE, "").strip():
        return key
    if missing := missing_key(settings):
        raise CommandError(missing)
    return NO_KEY


def environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The environment for an agent, without variables that would make it bypass the gateway."""
    kept = {name: value for name, value in environ.items() if name not in REMOVED}
    if any(kept.get(name) for name in _PROXIES):
        for name in ("NO_PROXY", "no_proxy"):
            kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1,localhost")))
    return {**kept, **variables}


def _found(how: Launch, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    for path in (how.program, *(os.path.join(home, path) for path in how.elsewhere if home)):
        if (program := shutil.which(path)) is not None:
            return program
    raise CommandError(f"the program {how.program} is not on the PATH; {how.install}")


def _address(settings: Settings) -> str:
    addresses = [one for one in settings.server.listen_address if isinstance(one, ListenAddress)]
    if not addresses:
        raise CommandError("the settings listen on a Unix socket only, which these clients cannot use")
    return reachable(url_of(addresses[0], settings.server.scheme))


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    with _passed_on() as pass_to:
        try:
            agent = subprocess.Popen(command, env=dict(environ))
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be started: {(error.strerror or str(error)).lower()}") from None
        pass_to(agent)
        code = agent.wait()
    return 128 - code if code < 0 else code


@contextmanager
def _passed_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Forwards SIGTERM and SIGHUP to the agent. The terminal itself sends SIGINT and SIGQUIT to the agent, so they are
    ignored here."""
    agents: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: object) -> None:
        for agent in agents:
            agent.send_signal(number)

    def leave(number: int, frame: object) -> None:
        """Does nothing, because the agent got the signal too."""

    handlers = {signal.SIGINT: leave, signal.SIGQUIT: leave, signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield agents.append
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""``nexus test``: the command line of the smoke test.

Exit codes: 0 if all passed, 1 if anything failed, 2 for a usage error, 130 after Ctrl-C. All output passes through the
log redactor, so that no key is shown even if a vendor echoes one.
"""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from nexus.cli.colours import is_coloured, render
from nexus.cli.configured import source_of
from nexus.cli.options import Options, read_options
from nexus.cli.output import put
from nexus.cli.smoke.caller import Caller, UsageError, read_caller
from nexus.cli.smoke.capabilities import CHECKS
from nexus.cli.smoke.http import CheckFailed
from nexus.cli.smoke.parser import EVERYTHING, make_parser
from nexus.cli.smoke.probe import Site, TestedModel, probes
from nexus.cli.smoke.report import SmokeReport
from nexus.cli.smoke.run import MOST_SAID, ResultRow, row, without_secrets
from nexus.cli.smoke.site import LocalServer, remote
from nexus.dataclasses import replace
from nexus.server.clients import missing_key
from nexus.settings import Protocols, Settings, SettingsError, secrets
from nexus.settings.registry import NoProviders
from nexus.telemetry import logs

INTERRUPTED = 130


def test(options: Options) -> int:
    """``nexus test``, which parses the arguments after it itself; returns the exit code."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        # Let Ctrl-C raise KeyboardInterrupt, so that the results so far are reported.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    named = ["--config", str(options.config)] if options.config is not None else []
    return main([*named, *options.arguments], os.environ)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the smoke test; returns the exit code."""
    parser = make_parser()
    options = parser.parse_args(argv)
    redact: logs.Redact = str
    try:
        caller = read_caller(options.client_key_env, options.header, environ)
        settings, level = read_settings(options, environ)
        hidden = (*caller.secrets, *(secrets(settings) if settings else ()))
        redact = logs.redactor(hidden)
        logs.configure(level, "text", hidden)
        return try_all(options, settings, caller, redact)
    except UsageError as error:
        parser.error(redact(str(error)))
    except SettingsError as error:
        sys.stderr.write(render(error.problems, coloured=is_coloured(sys.stderr, "auto", environ)))
    except (CheckFailed, NoProviders) as error:
        sys.stderr.write(f"{parser.prog}: {redact(str(error))[:MOST_SAID]}\n")
    except KeyboardInterrupt:
        return INTERRUPTED
    return 1


def read_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Settings | None, str]:
    """The settings as ``nexus`` would read them, and the log level. With ``--url`` settings are read only from
    ``--config``."""
    if options.url and not options.config:
        return None, "error"
    server = read_options(["--config", options.config] if options.config else [], environ)
    source = source_of(server, environ)
    settings = source.read()
    if not options.url and (found := source.obstacles(settings, running=True)):
        raise SettingsError(found)
    # The report has all failures, so show the gateway's log only on request.
    return settings, server.log if environ.get("NEXUS_LOG") else "error"


def try_all(options: argparse.Namespace, settings: Settings | None, caller: Caller, redact: logs.Redact) -> int:
    """Runs all probes and prints the report, even if interrupted; returns the exit code."""
    with ExitStack() as stack:
        local: LocalServer | None = None
        if options.url or settings is None:
            site = remote(options.url, settings.llm.protocols if settings else Protocols(), options.timeout, caller)
        else:
            if not settings.llm.enabled:
                raise CheckFailed("nothing to test: llm.enabled is false")
            if not caller.secrets and (missing := missing_key(settings)):
                raise CheckFailed(missing)
            local = stack.enter_context(LocalServer(settings))
            site = local.site(options.timeout, caller)
        endpoints = tuple(
            endpoint for endpoint in site.endpoints if not options.protocol or endpoint.format.name in options.protocol
        )
        site = replace(site, endpoints=endpoints, models=choose(options.models, site.models))
        report = run(site, options, redact)
        put(redact(report.json() if options.json else report.text()))
    code = INTERRUPTED if report.interrupted else 0 if report.passed else 1
    if local is not None and local.hangs:
        # A normal exit would wait for the stuck thread.
        os._exit(code)
    return code


def run(site: Site, options: argparse.Namespace, redact: logs.Redact) -> SmokeReport:
    named: list[str] = options.capability
    capabilities = list(CHECKS) if EVERYTHING in named else named
    shows = not options.json and sys.stderr.isatty()

    def progress(text: str) -> None:
        if shows:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    began = time.monotonic()
    rows: list[ResultRow] = []
    interrupted = False
    try:
        for probe in probes(site):
            progress(f"{probe.model.name} {probe.endpoint.format.name} {'stream' if probe.stream else 'whole'}")
            rows.append(without_secrets(row(probe, capabilities), redact))
    except KeyboardInterrupt:
        interrupted = True
    progress("")
    needed = [name for name in named if name != EVERYTHING]
    return SmokeReport(rows, capabilities, needed, time.monotonic() - began, interrupted)


def choose(wanted: Sequence[str], models: Sequence[TestedModel]) -> tuple[TestedModel, ...]:
    """The named models, or all if none is named. A bare alias is accepted if it is unambiguous, as for every client.
    Raises UsageError."""
    known = {model.name: model for model in models}
    aliases: dict[str, list[TestedModel]] = {}
    for model in models:
        aliases.setdefault(model.name.partition("/")[2], []).append(model)
    chosen: dict[str, TestedModel] = {}
    for name in wanted:
        found = [known[name]] if name in known else aliases.get(name, [])
        if found[1:]:
            names = ", ".join(model.name for model in found)
            raise UsageError(f"model {name!r} is ambiguous; candidates: {names}")
        if not found:
            nearest = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "nexus check lists the models"
            raise UsageError(f"model {name!r} does not exist; {hint}")
        chosen[name] = replace(found[0], name=name)
    return tuple(chosen.values()) if wanted else tuple(models)

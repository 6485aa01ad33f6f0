"""The command line: options, and exit codes.

Exit code 0 if no rule is broken, 1 if one is, 2 if the usage is wrong or the gateway cannot be judged, 130 after
Ctrl-C. Never prints a key.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from nexus.cli.options import CommandError
from nexus.telemetry.logs import redactor
from tools.conformance import bodies, report
from tools.conformance.client import MADE_UP, Client, ExchangeFailed
from tools.conformance.fixture import MESSAGES, Fixture, new_mark
from tools.conformance.local import MODEL, running
from tools.conformance.rules import RULES, Judgement, run
from tools.conformance.upstream import CannotListen, Upstream

WRONG, INTERRUPTED = 2, 130
REFUSED = (401, 403)
FORMS = ("authorization", "x-api-key")
BEARER = ("authorization",)
"""The header in which AWS's SDKs send a Bedrock API key."""


class CannotJudge(Exception):
    """The gateway cannot be judged; the message says what to do."""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Judges the gateway and returns the exit code."""
    parser = make_parser()
    options = parser.parse_args(argv)
    if problem := usage_problem(options):
        parser.error(problem)
    key = read_key(options, environ)
    redact = redactor([key] if key != MADE_UP else [])
    try:
        with ExitStack() as stack:
            return judge(make_fixture(options, key, stack), options, redact)
    except (CannotJudge, CannotListen, ExchangeFailed, CommandError) as error:
        sys.stderr.write(redact(f"{error}\n"))
    except KeyboardInterrupt:
        return INTERRUPTED
    return WRONG


def usage_problem(options: argparse.Namespace) -> str:
    if options.nexus:
        known = ("url", "model", "upstream", "bedrock_url", "key", "key_env")
        given = [name for name in known if getattr(options, name) is not None]
        return f"--nexus needs no other gateway; leave out {', '.join(given)}" if given else ""
    if options.url is None or options.model is None:
        return "name the gateway and a model: URL --model M, or --nexus"
    return ""


def read_key(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    if options.key_env is not None:
        return environ.get(options.key_env) or MADE_UP
    return options.key or MADE_UP


def make_fixture(options: argparse.Namespace, key: str, stack: ExitStack) -> Fixture:
    """The fixture for the options. Raises CannotJudge, CannotListen, ExchangeFailed, CommandError."""
    extra, forms = dict(options.header), (options.key_header,)
    if options.nexus:
        local = stack.enter_context(running(options.rule))
        client = Client(local.url, options.timeout, key, forms, extra)
        invoke = Client(local.bedrock, options.timeout, key, BEARER, extra)
        return Fixture(client, MODEL, local.upstream, options.silence, local.clouds, invoke)
    client = Client(options.url, options.timeout, key, forms, extra)
    upstream = stack.enter_context(Upstream(*options.upstream)) if options.upstream else None
    url = options.bedrock_url
    bedrock = Client(url, options.timeout, key, BEARER, extra) if url else None
    fixture = Fixture(client, options.model, upstream, options.silence, bedrock=bedrock)
    if upstream is not None and not options.json:
        sys.stdout.write(f"upstream at {upstream.url}: point the provider of {options.model} there\n\n")
        sys.stdout.flush()
    check_connection(fixture)
    return fixture


def check_connection(fixture: Fixture) -> None:
    """Sends a first small request, so that an invalid key or a wrong upstream is not reported as broken rules."""
    mark = new_mark()
    body = {"model": fixture.model, "max_tokens": 16, "messages": [{"role": "user", "content": f"Hello ({mark})"}]}
    answer = fixture.client.send("POST", MESSAGES, bodies.encode(body), bodies.headers("claude-code-20250219"))
    if answer.status in REFUSED:
        raise CannotJudge(f"the gateway refuses the credential ({answer.brief}): give one with --key or --key-env")
    if fixture.upstream is not None and fixture.upstream.arrived(mark) is None:
        url = fixture.upstream.url
        raise CannotJudge(
            f"a request for {fixture.model} did not arrive at {url} (the client got {answer.brief}): "
            "point the provider of that model there, in Anthropic's dialect"
        )


def judge(fixture: Fixture, options: argparse.Namespace, redact: Callable[[str], str]) -> int:
    done: list[Judgement] = []
    for judgement in run(fixture, options.rule):
        done.append(judgement)
        if not options.json:
            sys.stdout.write(redact(report.lines(judgement)))
            sys.stdout.flush()
    if options.json:
        where = fixture.upstream.url if fixture.upstream else None
        sys.stdout.write(redact(report.whole(done, fixture.client.url, fixture.model, where)))
    else:
        sys.stdout.write(f"\n{report.summary(done)}\n")
    sys.stdout.flush()
    return 0 if report.passed(done) else 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude_code_conformance.py",
        description="Runs the rules that Claude Code sets for gateways, C1 to C14, against any gateway.",
        epilog="Exit code: 0 nothing broken, 1 something broken, 2 wrong usage or no gateway to judge. Without "
        "--upstream the model is really called, which costs a few thousand tokens.",
        allow_abbrev=False,
    )
    parser.add_argument("url", nargs="?", type=_url, metavar="URL", help="what ANTHROPIC_BASE_URL would be")
    parser.add_argument("--model", metavar="M", help="the model to request")
    parser.add_argument("--nexus", action="store_true", help="start Nexus with its own upstreams, and judge it")
    parser.add_argument(
        "--upstream",
        type=_address,
        metavar="HOST:PORT",
        help="listen there as the model's vendor (Anthropic's API); the gateway must send M there",
    )
    parser.add_argument("--bedrock-url", type=_url, metavar="URL", help="what ANTHROPIC_BEDROCK_BASE_URL would be")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--key", metavar="K", help="credential for the gateway (default: a made-up one)")
    keys.add_argument("--key-env", metavar="VAR", help="environment variable that contains it")
    parser.add_argument("--key-header", choices=FORMS, default="x-api-key", help="default: x-api-key")
    parser.add_argument(
        "--header", type=_header, action="append", default=[], metavar="'NAME: VALUE'", help="send this too; repeatable"
    )
    parser.add_argument(
        "--rule", type=_rule, action="append", default=[], metavar="C3", help="only this rule; repeatable"
    )
    parser.add_argument("--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="of a request (default 30)")
    parser.add_argument(
        "--silence",
        type=_seconds,
        default=25.0,
        metavar="SECONDS",
        help="after which a silent stream must contain a ping; 0 skips the check (default 25)",
    )
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    return parser


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("write it like http://HOST:PORT/PATH")
    if parts.username is not None:
        raise argparse.ArgumentTypeError("a user name or password does not belong here")
    return value.rstrip("/")


def _address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError("write it like 127.0.0.1:9200")
    return host.strip("[]"), int(port)


def _header(value: str) -> tuple[str, str]:
    name, colon, content = value.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError("write it like 'X-Team: blue'")
    return name.strip().lower(), content.strip()


def _rule(value: str) -> str:
    if value.upper() not in RULES:
        raise argparse.ArgumentTypeError(f"there is no rule {value!r}; there are {', '.join(RULES)}")
    return value.upper()


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds") from error
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("between 0 and 3600 seconds")
    return seconds

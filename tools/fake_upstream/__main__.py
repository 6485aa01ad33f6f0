"""``python -m tools.fake_upstream --openai 9101 --bedrock 9102``: runs fake vendors for a gateway.

Runs until SIGINT or SIGTERM. Prints one line per request on standard output.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.google.tokens import service_account
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.server import FakeUpstream
from tools.fake_upstream.vendors import ACCESS_KEY, SECRET_KEY, VENDORS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    wanted = {name: port for name in VENDORS if (port := getattr(options, name)) is not None}
    if not wanted:
        parser.error("name at least one vendor: " + ", ".join(f"--{name} PORT" for name in VENDORS))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        for name, port in wanted.items():
            upstream = FakeUpstream(
                name,
                api_key=options.api_key,
                host=options.host,
                port=port,
                strict=not options.lenient,
                keep=False,
                on_request=None if options.quiet else _reporter(name),
                access_key=options.access_key,
                secret_key=options.secret_key,
            )
            upstream.default = Behaviour(
                status=options.status,
                text=options.text,
                thinking=options.thinking,
                tool_call=options.tool_call,
                delay=options.delay,
                event_delay=options.event_delay,
            )
            try:
                stack.enter_context(upstream)
            except OSError as error:
                sys.stderr.write(f"cannot listen on {options.host}:{port}: {error.strerror}\n")
                return 1
            except ModuleNotFoundError as error:
                sys.stderr.write(f"{error}; pip install -e '.[dev]' installs all that the fakes need\n")
                return 1
            if name == "vertex" and options.service_account is not None:
                options.service_account.write_text(json.dumps(service_account(upstream.origin)))
            _say(f"fake {name} listens on {upstream.base_url}")
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fake_upstream", description=__doc__)
    for name in VENDORS:
        parser.add_argument(f"--{name}", type=int, metavar="PORT", help=f"start a fake {name}; 0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--api-key", help="the only key that is accepted (default: any)")
    parser.add_argument("--access-key", default=ACCESS_KEY, help="that bedrock's signatures must be made with")
    parser.add_argument("--secret-key", default=SECRET_KEY, help="and its secret (default: %(default)s)")
    parser.add_argument("--service-account", type=Path, metavar="FILE", help="write vertex's credentials there")
    parser.add_argument("--lenient", action="store_true", help="do not check bodies against the SDK's types")
    parser.add_argument("--quiet", action="store_true", help="no line per request")
    parser.add_argument("--status", type=int, default=200, help="of every answer; 400 and more are error bodies")
    parser.add_argument("--text", default=Behaviour().text, help="what the model says")
    parser.add_argument("--thinking", default="", help="what it thinks before")
    parser.add_argument("--tool-call", action="store_true", help="call the first tool of the request instead")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="before the head")
    parser.add_argument("--event-delay", type=float, default=0.0, metavar="SECONDS", help="between stream events")
    return parser


def _reporter(name: str) -> Callable[[SeenRequest], None]:
    def report(request: SeenRequest) -> None:
        model = request.model or "-"
        kind = "stream" if request.streams else "unary"
        _say(f"{name} {request.method} {request.path} model={model} {kind} {len(request.body)} bytes")

    return report


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

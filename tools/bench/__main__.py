"""``python -m tools.bench``: measures all subjects in turn, on pinned cores; prints the table and writes the page."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tools.bench import machine
from tools.bench.curves import draw
from tools.bench.measure import MeasurementFailed, bench
from tools.bench.page import write_page
from tools.bench.rows import table
from tools.bench.steps import compare
from tools.bench.subjects import BARE, FLOOR, NEXUS, peer


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="What Nexus costs, against others.")
    parser.add_argument("--rounds", type=int, default=3, help="times that each step is measured; default 3")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement of whole answers; default 2")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=URL", help="another gateway that runs here"
    )
    parser.add_argument("--peer-header", action="append", default=[], metavar="NAME:VALUE", help="what peers are sent")
    parser.add_argument("--vendor-port", type=int, default=0, help="where the vendor listens, for the peers' settings")
    parser.add_argument("--page", action="store_true", help="write docs/performance anew: the table and the plots")
    options = parser.parse_args(arguments)
    headers = {name.strip(): value.strip() for name, _, value in (text.partition(":") for text in options.peer_header)}
    peers = [peer(name, url, headers) for name, _, url in (text.partition("=") for text in options.peer)]
    load = os.getloadavg()[0]
    if not machine.IS_PINNED:
        sys.stderr.write("one core: the gateway shares it with its clients; trust CPU, not times\n")
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder), options.seconds, options.vendor_port) as running:
        try:
            found = compare(running, [NEXUS, FLOOR, BARE], peers, options.rounds)
            sys.stdout.write(table(found))
            if options.page:
                sys.stderr.write("how cost grows\n")
                write_page(found, draw(running), load)
        except (MeasurementFailed, LookupError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

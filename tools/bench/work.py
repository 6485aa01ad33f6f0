"""Counts the function calls that a gateway makes, in all its threads, to answer one scripted call.

Unlike time, the count does not depend on the machine or its load. The vendor sends each piece of a stream after the
client has received the one before, so that every piece takes one read, one hand-over and one write. The budget of each
lane is in ``work.json``; ``.ci/run`` fails if a lane exceeds it by more than 10 %.

    python -m tools.bench.work              prints the table, compared with the budget
    python -m tools.bench.work --update     writes the current counts as the budget
    python -m tools.bench.work --top 30 chat-chat-stream     prints the 30 most called functions of a lane
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tools.bench.scripted import LANES, CountedGateway, Lane

BUDGET = Path(__file__).with_name("work.json")
MORE = 1.10
ROUNDS = 3


def count(gateway: CountedGateway, lane: Lane) -> Counter[str]:
    """Calls by function for one call: the median of several rounds, because thread scheduling varies."""
    gateway.answer(lane)
    rounds = sorted((gateway.answer(lane) for _ in range(ROUNDS)), key=Counter.total)
    return rounds[ROUNDS // 2]


def counted() -> dict[str, int]:
    """Function calls by lane."""
    with tempfile.TemporaryDirectory() as folder, CountedGateway(Path(folder)) as gateway:
        return {lane.name: count(gateway, lane).total() for lane in LANES}


def over(found: dict[str, int], budget: dict[str, int]) -> list[str]:
    """Error messages for lanes over the budget, and for lanes or budgets that are missing."""
    wrong = [f"{name}: no budget" for name in found if name not in budget]
    wrong += [f"{name}: no such lane" for name in budget if name not in found]
    wrong += [
        f"{name}: {calls} function calls, the budget is {budget[name]}"
        for name, calls in found.items()
        if name in budget and calls > budget[name] * MORE
    ]
    return wrong


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.work", description="Function calls per call, by lane.")
    parser.add_argument("--update", action="store_true", help="write the budget anew")
    parser.add_argument("--top", type=int, metavar="N", help="the N functions of a lane that are called most")
    parser.add_argument("lane", nargs="?", choices=[lane.name for lane in LANES], default="chat-chat")
    options = parser.parse_args(arguments)
    if options.top:
        lane = next(lane for lane in LANES if lane.name == options.lane)
        with tempfile.TemporaryDirectory() as folder, CountedGateway(Path(folder)) as gateway:
            for name, calls in count(gateway, lane).most_common(options.top):
                sys.stdout.write(f"{calls:6} {name}\n")
        return 0
    found = counted()
    budget: dict[str, int] = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    for name, calls in found.items():
        before = budget.get(name)
        sys.stdout.write(f"{name:24} {calls:7}" + (f" {calls / before - 1:+8.1%}\n" if before else "\n"))
    if options.update:
        BUDGET.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    wrong = over(found, budget)
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    if wrong:
        sys.stderr.write("make it cheaper, or say why it has to cost more: python -m tools.bench.work --update\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Facts shared by all processes: cooldowns and moved sessions reach running and later processes."""

from typing import Any

import pytest

from nexus.gateway.affinity import IDLE, REPUBLISH_AFTER, Moves
from nexus.gateway.cooldowns import CAP, COOLDOWN, IN_A_ROW, Cooldowns
from nexus.processes.board import Board, Fact, Facts
from nexus.processes.frames import Frames, pack
from tests.clock import Clock

SCOPE = ("anthropic", "", "")
OTHER = ("openai", "gpt", "k1")


class Fleet:
    """The boards of several processes and a supervisor; facts are delivered only by ``come_round``."""

    def __init__(self, count: int) -> None:
        self.clock = Clock()
        self.facts = Facts(clock=self.clock)
        self.boards: list[Board] = []
        self._under_way: list[tuple[int, Fact]] = []
        self.cooldowns: list[Cooldowns] = []
        self.moves: list[Moves] = []
        for _ in range(count):
            self.start()

    def start(self) -> int:
        index = len(self.boards)
        board = Board(lambda fact: self._under_way.append((index, fact)), self.clock)
        self.boards.append(board)
        self.cooldowns.append(Cooldowns(self.clock, lambda low, high: 1.0))
        self.moves.append(Moves())
        self.cooldowns[-1].share(board)
        self.moves[-1].share(board)
        for fact in self.facts.all():
            board.receive(over_the_wire(fact))
        return index

    def come_round(self) -> int:
        """Delivers all facts and returns their number."""
        count = len(self._under_way)
        for index, fact in self._under_way:
            self.facts.keep(over_the_wire(fact))
            for at, board in enumerate(self.boards):
                if at != index:
                    board.receive(over_the_wire(fact))
        self._under_way.clear()
        return count

    def ends(self, scope: tuple[str, str, str] = SCOPE) -> list[float | None]:
        return [cooldowns.end([scope], self.clock.now) for cooldowns in self.cooldowns]


def over_the_wire(fact: Fact) -> Any:
    return Frames().feed(pack(fact))[0]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(3)


def test_a_cooldown_in_one_process_applies_in_all(fleet: Fleet) -> None:
    fleet.cooldowns[0].start(SCOPE, 60, "status 429")
    fleet.come_round()
    assert fleet.ends() == [1060.0] * 3
    assert fleet.cooldowns[2].why([SCOPE]) == "status 429"
    assert fleet.ends(OTHER) == [None] * 3


def test_consecutive_failures_are_counted_across_processes(fleet: Fleet) -> None:
    for number in range(IN_A_ROW):
        fleet.cooldowns[number % 3].failed(SCOPE, fleet.clock.now, "status 500")
        fleet.come_round()
    assert fleet.ends() == [1000 + COOLDOWN] * 3


def test_a_success_resets_the_failure_count_in_all_processes(fleet: Fleet) -> None:
    for _ in range(IN_A_ROW - 1):
        fleet.cooldowns[0].failed(SCOPE, fleet.clock.now, "status 500")
    fleet.come_round()
    fleet.cooldowns[1].succeeded([SCOPE], fleet.clock.now)
    fleet.come_round()
    fleet.cooldowns[0].failed(SCOPE, fleet.clock.now, "status 500")
    assert fleet.ends() == [None] * 3


def test_successes_of_healthy_targets_are_not_shared(fleet: Fleet) -> None:
    for _ in range(10):
        fleet.cooldowns[0].succeeded([SCOPE], fleet.clock.now)
    assert fleet.come_round() == 0


def test_one_process_probes_and_its_success_ends_the_cooldown_in_all(fleet: Fleet) -> None:
    fleet.cooldowns[0].start(SCOPE, 10, "status 529")
    fleet.come_round()
    fleet.clock.now += 11
    assert fleet.cooldowns[1].enter([SCOPE], fleet.clock.now)
    fleet.come_round()
    assert [cooldowns.enter([SCOPE], fleet.clock.now) for cooldowns in fleet.cooldowns] == [False] * 3
    fleet.cooldowns[1].succeeded([SCOPE], fleet.clock.now)
    fleet.come_round()
    assert fleet.ends() == [None] * 3
    assert fleet.cooldowns[2].enter([SCOPE], fleet.clock.now)


def test_a_concurrent_failure_does_not_shorten_a_cooldown(fleet: Fleet) -> None:
    fleet.cooldowns[0].start(SCOPE, 60, "status 429")
    fleet.cooldowns[1].failed(SCOPE, fleet.clock.now, "status 500")
    fleet.come_round()
    assert fleet.ends()[0] == 1060.0
    fleet.cooldowns[2].start(SCOPE, 20, "status 429")
    fleet.come_round()
    assert fleet.ends()[0] == 1060.0


def test_a_later_process_gets_earlier_facts(fleet: Fleet) -> None:
    fleet.cooldowns[0].start(SCOPE, 60, "status 429")
    fleet.moves[0].answered("session", "b/m", "a/m", 1000.0)
    fleet.come_round()
    late = fleet.start()
    assert fleet.ends()[late] == 1060.0
    assert fleet.moves[late].candidate("session", 1001.0) == "b/m"
    fleet.clock.now += CAP + 100
    assert list(fleet.facts.all()) == []
    assert not fleet.facts._facts


def test_a_moved_session_is_known_to_all_processes(fleet: Fleet) -> None:
    fleet.moves[0].answered("session", "b/m", "a/m", 1000.0)
    fleet.come_round()
    assert [moves.candidate("session", 1001.0) for moves in fleet.moves] == ["b/m"] * 3
    assert [moves.candidate("session", 1001.0 + IDLE) for moves in fleet.moves] == [None] * 3


def test_a_moved_session_is_announced_only_now_and_then(fleet: Fleet) -> None:
    for second in range(100):
        fleet.moves[0].answered("session", "b/m", "a/m", 1000.0 + second)
    assert fleet.come_round() == 100 // (REPUBLISH_AFTER + 1) + 1


def test_facts_are_bounded() -> None:
    facts = Facts(most=10)
    for number in range(100):
        facts.keep(("t", number, "x", 1e12))
    assert [fact[1] for fact in facts.all()] == list(range(90, 100))

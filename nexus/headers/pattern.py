"""Patterns for header names: regular expressions that match without backtracking.

A pattern becomes an automaton that tracks all its states at once, so a match reads every character of a name once.
Patterns are never passed to ``re``, which backtracks.

Supported are literals, ``.``, ``[...]``, ``\\d \\w`` and their opposites, groups, ``|``, ``* + ? {m,n}``, ``^`` and
``$``. A pattern may match anywhere in a name; case is ignored.
"""

from __future__ import annotations

from nexus.dataclasses import dataclass, field
from nexus.headers.pattern_syntax import Alternation, Begin, CharClass, Concatenation, End, Node, Repetition, parse

LONGEST_NAME = 256
MOST_STATES = 300
MOST_DFA_STATES = 500
MOST_NAMES = 200


@dataclass(slots=True, eq=False)
class _State:
    """A state of the automaton; ``chars`` is None for a transition that reads no character."""

    targets: tuple[_State, ...] = ()
    chars: frozenset[str] | None = None
    only: type[Begin] | type[End] | None = None


_MATCH = _State()


@dataclass(slots=True, eq=False)
class _DfaState:
    """A state of the lazily built DFA: the set of states reached at one position, and the next state by character."""

    states: frozenset[_State]
    found: bool
    found_at_end: bool
    after: dict[str, _DfaState] = field(default_factory=dict)


class Pattern:
    """A compiled pattern. Thread-safe. Raises ValueError for unsupported or too large patterns."""

    def __init__(self, text: str) -> None:
        tree = parse(text)
        if _size(tree) > MOST_STATES:
            raise ValueError(f"is too large: written out it has more than {MOST_STATES} steps")
        self.text = text
        self._begin = _build(tree, _MATCH)
        self._dfa_states: dict[frozenset[_State], _DfaState] = {}
        self._start = self._dfa_state(frozenset([self._begin]), at_start=True)
        self._known: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def matches(self, name: str) -> bool:
        """Whether the pattern matches anywhere in a lower-case name; false for names over ``LONGEST_NAME``."""
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            found = self._known[name] = len(name) <= LONGEST_NAME and self._is_in(name)
        return found

    def _is_in(self, name: str) -> bool:
        current = self._start
        for char in name:
            if current.found:
                return True
            current = current.after.get(char) or self._step(current, char)
        return current.found or current.found_at_end

    def _step(self, current: _DfaState, char: str) -> _DfaState:
        reached = {self._begin}
        for state in current.states:
            if state.chars is not None and char in state.chars:
                reached.update(state.targets)
        following = self._dfa_state(frozenset(reached), at_start=False)
        current.after[char] = following
        return following

    def _dfa_state(self, reached: frozenset[_State], *, at_start: bool) -> _DfaState:
        states = _closure(reached, at_start=at_start, at_end=False)
        if not at_start and states in self._dfa_states:
            return self._dfa_states[states]
        at_end = _MATCH in _closure(reached, at_start=at_start, at_end=True)
        current = _DfaState(states, _MATCH in states, at_end)
        if not at_start:
            if len(self._dfa_states) >= MOST_DFA_STATES:
                # Clear the cache and rebuild it on demand, so that hostile names cannot make it grow.
                self._dfa_states = {}
                self._start.after = {}
            self._dfa_states[states] = current
        return current


def _closure(reached: frozenset[_State], *, at_start: bool, at_end: bool) -> frozenset[_State]:
    """All states reachable without reading a character; ``^`` and ``$`` pass only ``at_start`` and ``at_end``."""
    seen, todo = set(reached), list(reached)
    while todo:
        state = todo.pop()
        barred = (state.only is Begin and not at_start) or (state.only is End and not at_end)
        if state.chars is None and not barred:
            todo += (new := set(state.targets) - seen)
            seen |= new
    return frozenset(seen)


def _build(node: Node, following: _State) -> _State:
    """The first of the states of ``node``, which lead to ``following``."""
    match node:
        case CharClass(chars):
            return _State((following,), chars)
        case Begin() | End():
            return _State((following,), only=type(node))
        case Concatenation(nodes):
            for item in reversed(nodes):
                following = _build(item, following)
            return following
        case Alternation(nodes):
            return _State(tuple(_build(item, following) for item in nodes))
        case Repetition(item, least, most):
            first = following
            if most is None:
                first = _State()
                first.targets = (_build(item, first), following)
            for _ in range(0 if most is None else most - least):
                first = _State((_build(item, first), following))
            for _ in range(least):
                first = _build(item, first)
            return first


def _size(node: Node) -> int:
    """The number of states of a node, counted without building them."""
    match node:
        case Concatenation(nodes) | Alternation(nodes):
            return 1 + sum(map(_size, nodes))
        case Repetition(item, least, most):
            return 1 + (_size(item) + 1) * max(1, least, most or least + 1)
        case _:
            return 1

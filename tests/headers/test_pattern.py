"""Patterns match what ``re`` matches, in linear time even for names and patterns on which ``re`` backtracks."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexus.headers.pattern import LONGEST_NAME, MOST_DFA_STATES, Pattern
from tests.steps import steps

FOUND = {
    "literal anywhere": ("team", "x-team-id", True),
    "without regard to case": ("^X-Team", "x-team-id", True),
    "marked so": ("(?i)^X-Team", "x-team-id", True),
    "at the beginning": ("^team", "x-team", False),
    "at the end": ("-id$", "x-id-team", False),
    "whole": ("^x-[a-z]+$", "x-team", True),
    "digits": (r"^x-\d+$", "x-12", True),
    "no digits": (r"^x-\d+$", "x-ab", False),
    "either": ("^(x|y)-team$", "y-team", True),
    "counted": ("^x{2,3}$", "xxxx", False),
    "counted exactly": ("^(?:ab){2}$", "abab", True),
    "at least": ("^a{2,}$", "aaaaa", True),
    "lazy": ("^a+?$", "aaa", True),
    "not these": ("^[^a-c]$", "b", False),
    "bracket first": ("^[]x]$", "x", True),
    "dash last": ("^[x-]+$", "x-", True),
    "nothing at all": ("^$", "x", False),
    "anything": (".*", "x", True),
}


@pytest.mark.parametrize(("pattern", "name", "found"), FOUND.values(), ids=FOUND.keys())
def test_patterns_match_like_re(pattern: str, name: str, found: bool) -> None:
    assert Pattern(pattern).matches(name) is found
    assert bool(re.search(pattern, name, re.IGNORECASE | re.ASCII)) is found


REFUSED = {
    "empty": ("", "is empty"),
    "look-ahead": ("a(?=b)", "other than (?: )"),
    "named group": ("(?P<a>b)", "other than (?: )"),
    "back-reference": (r"(a)\1", "an unknown escape"),
    "word boundary": (r"\ba", "an unknown escape"),
    "open group": ("(a", "unclosed"),
    "closed group": ("a)", "unmatched"),
    "open class": ("[a", "unclosed"),
    "star first": ("*a", "without an operand"),
    "double star": ("a**", "a repetition of a repetition"),
    "possessive": ("a*+", "a repetition of a repetition"),
    "brace": ("a{x}", "a { without a number"),
    "braces in disorder": ("a{3,2}", "other than {m}"),
    "too often": ("a{201}", "other than {m}"),
    "repeated anchor": ("^*", "a repetition of ^ or $"),
    "range in disorder": ("[z-a]", "in the wrong order"),
    "too large": ("((a{50}){50})", "is too large"),
    "too large in many levels": ("(" * 10 + "a" + "{9})" * 10, "is too large"),
    "too deep": ("(" * 30 + "a" + ")" * 30, "too deeply"),
    "too long": ("a" * 501, "more than 500"),
    "not ASCII": ("ä", "not allowed in a header name"),
    "nothing after the backslash": ("a\\", "unclosed"),
}


@pytest.mark.parametrize(("pattern", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_unsupported_patterns_are_rejected(pattern: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Pattern(pattern)
    assert message in str(caught.value)


def _patterns() -> st.SearchStrategy[str]:
    chars = st.sampled_from(["a", "b", "A", "-", "1", "_", ".", r"\d", r"\w", r"\W", r"\-", "[ab]", "[^ab]", "[a-c1-]"])

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        group = inner.map(lambda text: f"({text})")
        repeat = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])
        either = st.lists(inner, min_size=1, max_size=3).map(lambda texts: f"(?:{'|'.join(texts)})")
        return st.one_of(
            st.lists(inner, min_size=1, max_size=4).map("".join), st.tuples(group, repeat).map("".join), either
        )

    body = st.recursive(chars, larger, max_leaves=8)
    return st.tuples(st.sampled_from(["", "^"]), body, st.sampled_from(["", "$"])).map("".join)


@given(_patterns(), st.text(alphabet="ab-1_c", max_size=8))
@example("^(a|b)*$", "abab")
def test_random_patterns_match_like_re(pattern: str, name: str) -> None:
    assert Pattern(pattern).matches(name) is bool(re.search(pattern, name, re.IGNORECASE | re.ASCII))


HOSTILE = ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "^(.*a){12}$", "a*a*a*a*a*a*a*b", "(x+x+)+y", r"^(\w+-?)*$"]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_time_is_linear_in_the_name(pattern: str) -> None:
    def cost(length: int) -> int:
        fresh = Pattern(pattern)
        name = "a" * (length - 1) + "!"
        return steps(lambda: fresh.matches(name))

    short, long = cost(60), cost(240)
    assert long < 6 * short
    again = Pattern(pattern)
    again.matches("a" * 239 + "!")
    assert steps(lambda: again.matches("a" * 239 + "!")) < 240 * 8


def test_names_cannot_grow_the_cache_of_a_pattern() -> None:
    pattern = Pattern("^(a|b)*a(a|b){12}$")
    for number in range(6000):
        name = format(number * 7919 % 8192, "013b").replace("0", "a").replace("1", "b")
        assert pattern.matches(name) is (name[0] == "a")
    assert len(pattern._dfa_states) <= MOST_DFA_STATES


def test_an_absurdly_long_name_does_not_match() -> None:
    assert Pattern("a").matches("a" * LONGEST_NAME)
    assert not Pattern("a").matches("a" * (LONGEST_NAME + 1))


def test_patterns_compare_by_value() -> None:
    assert Pattern("a") == Pattern("a") != Pattern("b")
    assert len({Pattern("a"), Pattern("a")}) == 1
    assert repr(Pattern("a")) == "Pattern('a')"

"""Terminal output of ``nexus check``: problems of a settings file, each with its line and a mark below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from nexus.late import pattern
from nexus.settings.problems import MOST_SHOWN, Problem, dotted
from nexus.telemetry.lines import takes_colours

_RED, _YELLOW, _GREEN, _BLUE, _BOLD = "31", "33", "32", "34", "1"
_WARNING = pattern(r"^warning:", re.MULTILINE)
_VALID = pattern(r"(?<=: )valid(?=, [^\n]*\n\Z)")


def is_coloured(stream: TextIO, when: str, environ: Mapping[str, str]) -> bool:
    """Whether to use colours; ``auto`` does if the stream supports them."""
    return takes_colours(stream, environ) if when == "auto" else when == "always"


def render(problems: Sequence[Problem], *, coloured: bool) -> str:
    """Each of the first problems on one line, followed by an excerpt of the file, and how many more there are."""
    lines = [line for problem in problems[:MOST_SHOWN] for line in _lines(problem, coloured)]
    if (more := len(problems) - MOST_SHOWN) > 0:
        lines.append(f"and {more} more problems")
    return "".join(f"{line}\n" for line in lines)


def report(text: str, *, coloured: bool) -> str:
    """The report of ``nexus check`` on valid settings, with colours if ``coloured``."""
    if not coloured:
        return text
    return _VALID.sub(_paint("valid", _GREEN), _WARNING.sub(_paint("warning:", _YELLOW), text))


def _lines(problem: Problem, coloured: bool) -> Iterator[str]:
    if not coloured:
        yield str(problem)
    else:
        where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        path = dotted(problem.path)
        yield ": ".join([_paint(where, _BOLD), *([path] if path else []), _paint(problem.message, _RED)])
    if (shown := problem.excerpt) is None:
        return
    number = f"{shown.number:>5} |"
    bar, mark = f"{'|':>7}", "^" * shown.length
    if coloured:
        number, bar, mark = _paint(number, _BLUE), _paint(bar, _BLUE), _paint(mark, _RED)
    yield f"{number} {shown.text}".rstrip()
    yield f"{bar} {' ' * shown.start}{mark}"


def _paint(text: str, colour: str) -> str:
    return f"\033[{colour}m{text}\033[0m"

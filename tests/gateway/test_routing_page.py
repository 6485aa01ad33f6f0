"""docs/routing.rst agrees with the table in the code."""

from pathlib import Path

from docutils.core import publish_doctree  # type: ignore[import-untyped]
from docutils.nodes import row  # type: ignore[import-untyped]

from nexus.gateway.verdicts import VERDICTS

PAGE = Path(__file__).parents[2] / "docs/routing.rst"


def test_the_page_shows_what_is_tried_next() -> None:
    rows = [[cell.astext() for cell in line.children] for line in publish_doctree(PAGE.read_text()).findall(row)]
    told = {cells[0].replace(" ", "_"): (cells[2], cells[3], cells[4], cells[5]) for cells in rows[1:]}
    assert told == {
        failure: (verdict.again, "yes" if verdict.other_key else "no", verdict.next, verdict.cooldown)
        for failure, verdict in VERDICTS.items()
    }

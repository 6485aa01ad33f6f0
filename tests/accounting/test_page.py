"""The docs page about the ledger: it lists every column, and its queries and commands work."""

import re
import shlex
from pathlib import Path

import pytest

from nexus.accounting.database import Database, migrate
from nexus.accounting.rows import COLUMNS
from nexus.cli.options import read_options
from nexus.conversation.usage import PARTS

PAGE = (Path(__file__).parents[2] / "docs/observability.rst").read_text()


def between(start: str, end: str) -> str:
    return PAGE.partition(f".. {start}\n")[2].partition(f".. {end}\n")[0]


def blocks(kind: str) -> list[str]:
    found = re.findall(rf"code-block:: {kind}\n\n((?:    .*\n)+)", between("questions", "end of questions"))
    return [re.sub(r"\s+", " ", block).strip() for block in found]


def test_every_column_is_documented() -> None:
    firsts = re.findall(r"   \* - (.*(?:\n       .*)*)", between("fields", "end of fields"))
    told = [name for first in firsts[1:] for name in re.findall(r"``(\w+)``", first)]
    assert sorted(told) == sorted(COLUMNS)
    assert len([name for name in told if name.endswith("_tokens")]) == len(PARTS)


@pytest.mark.parametrize("statement", blocks("sql"))
def test_every_query_runs(database: Database, statement: str) -> None:
    migrate(database)
    with database.transaction(write=False) as transaction:
        assert transaction.query(statement) == []
    database.close()


@pytest.mark.parametrize("line", blocks("shell"))
def test_every_command_parses(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert program == "nexus"
    assert read_options(arguments, {}).command == "usage"


def test_the_page_has_ten_queries_and_commands() -> None:
    assert len(blocks("sql") + blocks("shell")) == 10

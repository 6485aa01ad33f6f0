"""A report as text: a table for people, CSV and JSON for programs, with money as ``cost_usd``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from nexus.accounting.report import Report, Sums
from nexus.accounting.report_options import FORMATS
from nexus.conversation.usage import NANO
from nexus.dataclasses import fields
from nexus.wire import Json

COLUMNS = tuple(field.name for field in fields(Sums) if field.name not in ("name", "cost"))


def as_document(report: Report) -> dict[str, Json]:
    return {
        "by": report.by,
        "since": moment(report.begins),
        "rows": [_row(report.by, row) for row in report.rows],
        "total": _row(report.by, report.total),
        "more": report.more,
    }


def moment(at: float) -> str:
    """A time in Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _row(by: str, sums: Sums) -> dict[str, Json]:
    return {by: sums.name, **{name: getattr(sums, name) for name in COLUMNS}, "cost_usd": sums.cost / NANO}


def _json(report: Report) -> str:
    return json.dumps(as_document(report), ensure_ascii=False, indent=2) + "\n"


def _csv(report: Report) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([report.by, *COLUMNS, "cost_usd"])
    for row in report.rows:
        # A spreadsheet would run a name that begins like this as a formula.
        name = f"'{row.name}" if row.name.startswith(("=", "+", "-", "@", "\t", "\r")) else row.name
        writer.writerow([name, *(getattr(row, column) for column in COLUMNS), dollars(row.cost)])
    return text.getvalue()


def dollars(nano: int) -> str:
    """Dollars, exact, with at least two decimal places."""
    whole, rest = divmod(abs(nano), NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole}.{decimals}"


def _short(row: Sums) -> str:
    """The known cost, with "+?" if part of it is unknown."""
    if row.unknown_cost and not row.cost:
        return "unknown"
    known = f"{row.cost / NANO:,.4f}" if row.cost < NANO else f"{row.cost / NANO:,.2f}"
    return f"{known} +?" if row.unknown_cost else known


def _table(report: Report) -> str:
    head = (
        report.by.upper(),
        "CALLS",
        "FAILED",
        "INPUT",
        "CACHE READ",
        "CACHE WRITE",
        "OUTPUT",
        "REASONING",
        "COST USD",
    )
    lines = [head, *(_cells(row.name or "-", row) for row in report.rows), _cells("total", report.total)]
    text = [f"usage since {moment(report.begins)}", *aligned(lines, head[1:])]
    if report.more:
        text.append(f"the first {len(report.rows)} rows; the total covers all")
    if report.total.unknown_cost:
        count = report.total.unknown_cost
        text.append(f"attempts without a known cost: {count} (no price, or no usage reported)")
    if report.total.unknown_tokens:
        text.append(f"attempts whose tokens are not all known: {report.total.unknown_tokens}")
    return "\n".join(text) + "\n"


def aligned(table: Sequence[Sequence[str]], numbers: Collection[str] = ()) -> Iterator[str]:
    """Lines with aligned columns; those of ``numbers``, given by their heads, are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    right = [name in numbers for name in table[0]]
    for row in table:
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in cells
        ).rstrip()


def _cells(name: str, row: Sums) -> tuple[str, ...]:
    numbers = (row.calls, row.failed, row.input, row.cache_read, row.cache_write_5m + row.cache_write_1h)
    return (name, *(f"{number:,}" for number in (*numbers, row.output, row.reasoning)), _short(row))


WRITERS: Mapping[str, Callable[[Report], str]] = dict(zip(FORMATS, (_table, _csv, _json), strict=True))

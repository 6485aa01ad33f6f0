"""``[budgets.NAME]``: spending limits per user, group, key, session or tag value and calendar period."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field

from nexus.headers.tags import TAG, is_tag
from nexus.settings.attribution import lacks
from nexus.settings.keys import matches
from nexus.settings.llm import LlmSettings
from nexus.settings.price import Dollars
from nexus.settings.targets import model_tables
from nexus.settings.types import Label, Location, Table, did_you_mean, no_longer_than

Period = Literal["day", "week", "month"]


def read_per(value: str) -> str:
    """What a budget is counted per. Raises ValueError."""
    if value in ("user", "group", "key", "session") or is_tag(value):
        return value
    raise ValueError('must be "user", "group", "key", "session", or a tag such as "tag:project"')


def read_zone(value: str) -> str:
    """A name of the time zone database. Raises ValueError."""
    try:
        zone_of(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        # A container may have no database at all.
        cure = "" if available_timezones() else "; this system has no time zone database: install tzdata"
        raise ValueError(f'is not a known time zone; write it like "Europe/Berlin" or "UTC"{cure}') from None
    return value


def zone_of(name: str) -> tzinfo:
    """Raises ValueError, OSError or ZoneInfoNotFoundError if there is no such zone."""
    # UTC must work without a time zone database.
    return UTC if name == "UTC" else ZoneInfo(name)


BudgetName = Annotated[Label, no_longer_than(64, "the name of a budget")]


class Budget(Table):
    """``[budgets.NAME]``: a spending limit per calendar period."""

    per: Annotated[str, AfterValidator(read_per)]
    """Count separately for each "user", "group", gateway "key", "session", or value of a tag ("tag:project")."""

    limit_usd: Annotated[Dollars, Field(gt=0)]
    """Limit in US dollars for each of them per period."""

    period: Period
    """Calendar period after which the budget starts again: "day", "week" (from Monday) or "month"."""

    time_zone: Annotated[str, AfterValidator(read_zone)] = "UTC"
    """Time zone in which periods begin at midnight, such as "Europe/Berlin"."""

    warn_at: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the limit, between 0 and 1, at which Nexus logs a warning, once per period."""

    models: tuple[Label, ...] | None = None
    """Models that count, by any of their names; * matches any text. A virtual model stands for all its targets except
    on_budget. Default: all models."""

    unknown: Literal["deny", "allow"] = "deny"
    """Calls of a model whose price is unknown: "deny" rejects them, "allow" does not count them."""

    @property
    def tag(self) -> str | None:
        """The tag that the budget is counted per, or None."""
        return self.per.removeprefix(TAG) if self.per.startswith(TAG) else None

    def problems(self) -> Iterator[Location]:
        if self.models is not None and not self.models:
            yield ("models",), "names no model; omit it for all models"


def covered(budget: Budget, llm: LlmSettings) -> frozenset[str]:
    """The models, as provider/model, that count against a budget."""
    if budget.models is None:
        return frozenset(model_tables(llm))
    return frozenset(name for written in budget.models for name in _named(written, llm))


def budget_problems(
    budgets: Mapping[str, Budget], llm: LlmSettings, tags: Collection[str], *, keys: bool, groups: bool
) -> Iterator[Location]:
    """Conflicts between budgets and other tables, as arguments for ``fail_at``: unknown models, and callers that the
    settings do not identify."""
    for name, budget in budgets.items():
        at = ("budgets", name)
        for place, written in enumerate(budget.models or ()) if llm.enabled else ():
            if not _named(written, llm):
                hint = did_you_mean(written, [*model_tables(llm), *llm.models], 0.5)
                yield (*at, "models", place), f"is not a configured model{hint}"
        if lacking := lacks(budget.per, tags, keys=keys, groups=groups):
            yield (*at, "per"), lacking


def _named(written: str, llm: LlmSettings) -> frozenset[str]:
    """The models that a name or pattern means, by any name that clients can use."""
    found = {
        name
        for name, model in model_tables(llm).items()
        if matches(written, name) or written in (name.partition("/")[2], *model.expose_as)
    }
    for name, virtual in llm.models.items():
        if matches(written, name) or written in virtual.expose_as:
            found.update(virtual.ordered)
            if virtual.on_overflow is not None:
                found.add(virtual.on_overflow)
    return frozenset(found)

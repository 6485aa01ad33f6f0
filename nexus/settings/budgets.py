"""``[budgets.NAME]``: spending limits per user, group, key, session or tag value and calendar period."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field

from nexus.headers.tags import TAG, is_tag
from nexus.settings.attribution import lacks
from nexus.settings.keys import matching
from nexus.settings.llm import LlmSettings
from nexus.settings.price import Dollars
from nexus.settings.problems import MOST_SHOWN
from nexus.settings.targets import NOT_CONFIGURED, model_tables
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
        remedy = "" if available_timezones() else "; this system has no time zone database: install tzdata"
        raise ValueError(f'is not a known time zone; write it like "Europe/Berlin" or "UTC"{remedy}') from None
    return value


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises ValueError, OSError or ZoneInfoNotFoundError."""
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


def covered(budgets: Mapping[str, Budget], llm: LlmSettings) -> dict[str, frozenset[str]]:
    """The models, as provider/model, that count against each budget."""
    named, every = Named(llm), frozenset(model_tables(llm))
    return {
        name: every if budget.models is None else frozenset[str]().union(*map(named.by, budget.models))
        for name, budget in budgets.items()
    }


def budget_problems(
    budgets: Mapping[str, Budget], llm: LlmSettings, tags: Collection[str], *, keys: bool, groups: bool
) -> Iterator[Location]:
    """Conflicts between budgets and other tables, as arguments for ``fail_at``: unknown models, and callers that the
    settings do not identify."""
    named, known = Named(llm), [*model_tables(llm), *llm.models]
    unknown = 0
    for name, budget in budgets.items():
        at = ("budgets", name)
        for index, written in enumerate(budget.models or ()) if llm.enabled else ():
            if not named.by(written):
                unknown += 1
                hint = did_you_mean(written, known, 0.5) if unknown <= MOST_SHOWN else ""
                yield (*at, "models", index), f"{NOT_CONFIGURED}{hint}"
        if lacking := lacks(budget.per, tags, keys=keys, groups=groups):
            yield (*at, "per"), lacking


class Named:
    """The models that a name or pattern means, by any name that clients can use. Patterns match full names."""

    def __init__(self, llm: LlmSettings) -> None:
        self._full: dict[str, set[str]] = {}
        self._second: dict[str, set[str]] = {}
        for name, model in model_tables(llm).items():
            self._add(name, (name.partition("/")[2], *model.expose_as), {name})
        for name, virtual in llm.models.items():
            overflow = [virtual.on_overflow] if virtual.on_overflow is not None else []
            self._add(name, virtual.expose_as, {*virtual.ordered, *overflow})
        self._names = sorted(self._full)

    def _add(self, name: str, seconds: Iterable[str], models: set[str]) -> None:
        self._full[name] = models
        for second in seconds:
            self._second.setdefault(second, set()).update(models)

    def by(self, written: str) -> set[str]:
        return self._second.get(written, set()).union(*map(self._full.__getitem__, matching(written, self._names)))

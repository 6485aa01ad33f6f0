"""``[llm.models.NAME]``: virtual models, each a name for several targets, of which one answers."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from nexus.settings.types import KeyPath, Label, Location, Names, PositiveDuration, Table, no_longer_than


def read_unslashed(value: str) -> str:
    """A name that is not mistaken for ``provider/model``. Raises ValueError."""
    if "/" in value:
        raise ValueError('must not contain "/", which separates provider and model')
    return value


VirtualName = Annotated[Label, AfterValidator(read_unslashed), no_longer_than(128, "the name of a virtual model")]


class WeightedTarget(Table):
    """One target of ``spread``: ``provider/model`` alone, or a table with a weight."""

    model: Label
    """Name of the target, as provider/model."""

    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """Its share of the sessions, relative to the other weights."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value


class VirtualModel(Table):
    """A virtual model, which clients call by name like any other model."""

    spread: tuple[WeightedTarget, ...] = ()
    """Targets to spread sessions over, by weight. A session stays with its target unless that fails."""

    targets: tuple[Label, ...] = ()
    """Targets to try in this order, as provider/model; after those of spread if both are set."""

    patience: PositiveDuration | None = None
    """How long to wait for a stream's answer to begin before trying the next target. Default: no limit."""

    deadline: PositiveDuration | None = None
    """Time limit for all attempts together until the answer begins. Default: no limit."""

    on_overflow: Label | None = None
    """Target for conversations that are too long for the others."""

    on_budget: Label | None = None
    """Target to use when every other one was skipped because of a limit or a budget."""

    spill_over: bool = False
    """Allow a call with the caller's own key or login to fail over to other targets with the configured key."""

    display_name: Label | None = None
    """Human-readable name in model lists."""

    description: Label | None = None
    """One-line description in model lists."""

    expose_as: Names = ()
    """Additional name, or a list of names, under which the model is listed and called."""

    @property
    def ordered(self) -> tuple[str, ...]:
        """All targets of ``spread``, then those of ``targets``."""
        return (*(target.model for target in self.spread), *self.targets)

    @property
    def named(self) -> Iterator[tuple[KeyPath, str]]:
        """Every target with its path in the table."""
        for index, target in enumerate(self.spread):
            yield ("spread", index), target.model
        for index, name in enumerate(self.targets):
            yield ("targets", index), name
        for setting in ("on_overflow", "on_budget"):
            if (name := getattr(self, setting)) is not None:
                yield (setting,), name

    def problems(self) -> Iterator[Location]:
        if not self.ordered:
            yield ("targets",), 'has no target; write it like ["anthropic/sonnet", "bedrock/sonnet"]'
        seen: set[str] = set()
        for path, name in self.named:
            if name in seen and path[0] in ("spread", "targets"):
                yield path, "is listed twice; each target is tried once"
            seen.add(name)
        if self.patience is not None and len(self.ordered) == 1:
            yield ("patience",), "has no effect without a second target to fall back to"

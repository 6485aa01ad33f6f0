"""``[llm.models.NAME]``: virtual models, each a name for several targets of which one answers."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from nexus.settings.types import KeyPath, Label, Location, Names, PositiveDuration, Table, no_longer_than


def read_virtual_name(value: str) -> str:
    """A name without a slash, so that it is never taken for ``provider/model``."""
    if "/" in value:
        raise ValueError('the name of a virtual model must not contain "/", which separates provider and model')
    return value


VirtualName = Annotated[Label, AfterValidator(read_virtual_name), no_longer_than(128, "the name of a virtual model")]


class WeightedTarget(Table):
    """One target among which sessions are spread: ``provider/model`` alone, or a table with its weight."""

    model: Label
    """The target, as provider/model."""

    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """Its share of the sessions, in proportion to the weights of the others."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value


class VirtualModel(Table):
    """A name that clients call like any other model."""

    spread: tuple[WeightedTarget, ...] = ()
    """Targets among which sessions are spread by weight; each session stays with its own, failure moves it on."""

    targets: tuple[Label, ...] = ()
    """Targets that are tried in this order, as provider/model; after all of spread where both stand."""

    patience: PositiveDuration | None = None
    """How long a stream may take to begin its answer before the next target is tried."""

    deadline: PositiveDuration | None = None
    """How long all attempts together may take until the answer begins."""

    on_overflow: Label | None = None
    """The one target when the conversation is too long for the others."""

    on_budget: Label | None = None
    """The target that is asked when every other one was skipped for a limit or a budget."""

    spill_over: bool = False
    """Whether a call with a caller's own key or login may go on to other targets with the configured key."""

    display_name: Label | None = None
    """A name for people, shown in model lists."""

    description: Label | None = None
    """A line for people, shown in model lists."""

    expose_as: Names = ()
    """A second name under which clients find and call it."""

    @property
    def ordered(self) -> tuple[str, ...]:
        """All names of ``spread`` and ``targets``, in the order of the file."""
        return (*(target.model for target in self.spread), *self.targets)

    @property
    def named(self) -> Iterator[tuple[KeyPath, str]]:
        """Every name of a target, with where it stands."""
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
        for place, name in self.named:
            if name in seen and place[0] in ("spread", "targets"):
                yield place, "is listed twice; each target is tried once"
            seen.add(name)
        if self.patience is not None and len(self.ordered) == 1:
            yield ("patience",), "has no effect without a second target to fall back to"

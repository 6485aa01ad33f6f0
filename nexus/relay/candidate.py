"""A place where a call could be answered: a target and one account there; and the plan of the places to try.

Values, and what one thread at a time writes of one call. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import field

from nexus.dataclasses import dataclass
from nexus.errors import NexusError
from nexus.provider import Account
from nexus.provider.route import Route

Scope = tuple[str, str, str]
"""What rests: provider, alias ("" for all models), account ("" for all keys). A caller's own key is an account too."""

CONFIGURED = "configured"
"""The account where one key is configured, or none."""

NOT_THERE = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "x-provider-api-key"})
"""Headers that never go where the configured key is used in place of the caller's."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``own`` tells a caller's own key from other callers', "" where the configured one is used. ``brings_key`` says
    that the caller has one of its own, used or not. ``resting`` is until when the place rests, None where it is up.
    """

    route: Route
    account: Account = field(default_factory=Account)
    own: str = ""
    brings_key: bool = False
    resting: float | None = None

    @property
    def name(self) -> str:
        """Of the place, for sessions that stay."""
        return f"{self.route.name}#{self.account.name}" if self.account.name else self.route.name

    @property
    def keeper(self) -> str:
        """Whose at the vendor it is what is kept there: the gateway's, one of its accounts', or the caller's."""
        provider, account = self.route.provider.name, self.own or self.account.name
        return f"{provider}#{account}" if account else provider

    @property
    def host(self) -> Scope:
        return (self.route.provider.name, "", "")

    @property
    def model(self) -> Scope:
        return (self.route.provider.name, self.route.alias, "")

    @property
    def key(self) -> Scope:
        return (self.route.provider.name, "", self.own or self.account.name or CONFIGURED)

    @property
    def key_model(self) -> Scope:
        return (self.route.provider.name, self.route.alias, self.own or self.account.name or CONFIGURED)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Everything whose rest is one of this place."""
        return (self.host, self.model, self.key, self.key_model)

    @property
    def spills(self) -> bool:
        """Whether the configured key takes the place of the caller's."""
        return self.brings_key and not self.own


@dataclass(frozen=True, slots=True)
class Skip:
    """A target that was not asked, why, and how it would have been refused."""

    candidate: Candidate
    failure: str
    error: NexusError


@dataclass(frozen=True, slots=True)
class Later:
    """A place that is asked once more when nothing else is left, not before ``due`` on the monotonic clock."""

    candidate: Candidate
    due: float


@dataclass(slots=True)
class Plan:
    """Where a call may still go. ``waiting`` are tried in order; ``taken`` has what it needs already: room, and a
    reservation. ``overflow`` takes a conversation that is too long, ``budget`` what limits refused; ``skips`` were not
    asked, ``later`` may be again, ``deferred`` had their turn while another call was the probe there. ``tries`` counts
    by the name of a place. ``virtual`` is the name of the virtual model, "" for a plain one. ``home`` is where the
    call's session would go if nothing rested, ``affinity`` what decides that; "" where there is nothing to decide.
    ``patience`` is in seconds, ``deadline`` a moment of the monotonic clock. ``room`` is the provider in which the call
    takes room at the moment, ``entered`` when its last attempt began. ``error`` is the last attempt's.
    """

    waiting: list[Candidate]
    virtual: str = ""
    affinity: str = ""
    home: str = ""
    overflow: tuple[Candidate, ...] = ()
    budget: tuple[Candidate, ...] = ()
    patience: float | None = None
    deadline: float | None = None
    taken: Candidate | None = None
    room: str = ""
    entered: float = 0.0
    skips: list[Skip] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    deferred: set[str] = field(default_factory=set)
    tries: dict[str, int] = field(default_factory=dict)
    error: NexusError | None = None
    places: frozenset[str] = field(init=False)
    """Of the model itself: where a session may stay."""

    @property
    def left(self) -> list[Candidate]:
        """All that may still be asked, whatever has to happen before."""
        return [*([] if self.taken is None else [self.taken]), *self.waiting, *self.overflow, *self.budget]

    def __post_init__(self) -> None:
        self.places = frozenset(one.name for one in self.waiting)

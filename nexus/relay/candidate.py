"""A candidate for answering a call (a target and one of its accounts), and the plan of candidates to try.

Values, and the state of one call, written by one thread at a time. Nothing here decides anything.
"""

from __future__ import annotations

from nexus.dataclasses import dataclass, field
from nexus.errors import NexusError
from nexus.provider import Account
from nexus.provider.route import Route

Scope = tuple[str, str, str]
"""What can be in cooldown: provider, alias ("" for all models), account ("" for all keys). A caller's own key counts as
an account."""

REPLACED_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "x-provider-api-key"})
"""Headers that are never forwarded when the configured key replaces the caller's."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``own`` is the id of the caller's own key, "" if the configured key is used. ``brings_key`` says that the caller
    has its own key, used or not. ``cooldown_until`` is when the cooldown ends, None if there is none.
    """

    route: Route
    account: Account = field(default_factory=Account)
    own: str = ""
    brings_key: bool = False
    cooldown_until: float | None = None

    @property
    def name(self) -> str:
        """The candidate's name, used for session affinity."""
        return f"{self.route.name}#{self.account.name}" if self.account.name else self.route.name

    @property
    def keeper(self) -> str:
        """Who owns what the vendor stores for this candidate: the gateway, one of its accounts, or the caller."""
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
        return (self.route.provider.name, "", self.own or self.account.key_id)

    @property
    def key_model(self) -> Scope:
        return (self.route.provider.name, self.route.alias, self.own or self.account.key_id)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Every scope whose cooldown applies to this candidate."""
        return (self.host, self.model, self.key, self.key_model)

    @property
    def spills(self) -> bool:
        """Whether the configured key replaces the caller's."""
        return self.brings_key and not self.own


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a target was skipped, and the error for it."""

    failure: str
    error: NexusError


@dataclass(frozen=True, slots=True)
class Later:
    """A candidate to retry when nothing else is left, not before ``due`` on the monotonic clock."""

    candidate: Candidate
    due: float


@dataclass(slots=True)
class Plan:
    """The candidates left for a call. ``waiting`` are tried in order; ``taken`` already has room and a reservation.
    ``overflow`` takes a conversation that is too long, ``budget`` a call that limits rejected; ``skips`` were
    skipped, ``later`` may be retried, ``deferred`` were moved to the end because another call was probing there.
    ``tries`` counts by the name of a candidate. ``virtual`` is the name of the virtual model, "" for a plain one.
    ``home`` is where the call's session would go if nothing were in cooldown, ``affinity`` the key that decides it;
    both are "" if there is only one choice. ``patience`` is in seconds, ``deadline`` a monotonic time. ``room`` is the
    provider where the call currently takes room, ``entered`` when its last attempt began. ``error`` is the last
    attempt's.
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
    own_names: frozenset[str] = field(init=False)
    """The names of the model's own candidates, where a session may stay."""

    @property
    def left(self) -> list[Candidate]:
        """All candidates that may still be tried, under whatever condition."""
        return [*([] if self.taken is None else [self.taken]), *self.waiting, *self.overflow, *self.budget]

    def __post_init__(self) -> None:
        self.own_names = frozenset(one.name for one in self.waiting)

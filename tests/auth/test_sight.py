"""Which callers' calls a caller may see."""

import pytest

from nexus.auth.identity import Identity, Source, Who, sees_everybody, sight_of
from nexus.errors import PermissionDenied


def identity(source: Source, user: str | None = None, group: str | None = None, key: str | None = None) -> Identity:
    return Identity(user, group, None, source, key, None, frozenset())


CASES: dict[str, tuple[Identity, Who | None]] = {
    "an open gateway": (identity("open"), None),
    "an open gateway whose proxy says who calls": (identity("open", "alice"), ("alice", "")),
    "a key": (identity("key", "alice", key="alice"), ("alice", "alice")),
    "a key with another group": (identity("key", "a", "dev", "a"), ("a", "a")),
    "a key with a reader's group": (identity("key", "boss", "finance", "boss"), None),
    "a token": (identity("token", "alice"), ("alice", "")),
    "a token with a reader's group": (identity("token", None, "finance"), None),
}


@pytest.mark.parametrize("who,only", CASES.values(), ids=CASES)
def test_readers_see_all_callers_and_others_only_themselves(who: Identity, only: Who | None) -> None:
    assert sight_of(who, ("finance",)) == only
    assert sees_everybody(who, ("finance",)) is (only is None)


def test_a_caller_without_an_identity_sees_nothing() -> None:
    with pytest.raises(PermissionDenied):
        sight_of(identity("token"), ())
    assert not sees_everybody(identity("token"), ())

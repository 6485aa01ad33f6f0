"""Gateway keys: weak ones are rejected at start, hashes identify them, and ``nexus key new`` creates them."""

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexus.auth.keys import KeyRing, is_expired, make_key
from nexus.cli.key import new, rotate
from nexus.cli.options import Options
from nexus.server.process.source import Source
from nexus.settings import Settings
from nexus.settings.keys import EXAMPLE, GUESSABLE, digest_of, read_expiry
from tests.auth.kit import ALICE, BOB, tables

DIGEST = digest_of(ALICE).hex()


def ring(**keys: dict[str, Any]) -> KeyRing:
    return KeyRing(tables(keys=keys).keys)


def test_only_the_exact_key_is_found() -> None:
    keys = ring(alice={"sha256": DIGEST}, bob={"key": BOB})
    found = keys.find(ALICE)
    assert found is not None and found[0] == "alice"
    assert (keys.find(BOB) or ("",))[0] == "bob"
    for wrong in ("", ALICE[:-1], ALICE + "0", ALICE.upper(), f" {ALICE}", DIGEST, digest_of(BOB).hex(), "alice"):
        assert keys.find(wrong) is None


def test_new_keys_are_unique_and_accepted() -> None:
    made = {make_key() for _ in range(100)}
    assert len(made) == 100
    for key in made:
        assert key.startswith("nx-") and len(key) == 46 and key[3:].isalnum()
        assert tables(keys={"new": {"key": key}}).keys["new"].digests == (digest_of(key),)


def hashed(text: str) -> str:
    return digest_of(text).hex()


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "nothing": ({}, (), "has neither sha256 nor key"),
    "both": ({"sha256": DIGEST, "key": ALICE}, ("sha256",), "cannot be combined with key"),
    "example": ({"key": "sk-1234"}, ("key",), EXAMPLE),
    "example in capitals": ({"key": "SK-1234"}, ("key",), EXAMPLE),
    "example with a prefix": ({"key": "nx-changeme"}, ("key",), EXAMPLE),
    "empty": ({"key": ""}, ("key",), EXAMPLE),
    "hash of an example": ({"sha256": hashed("sk-1234")}, ("sha256",), EXAMPLE),
    "hash of nothing": ({"sha256": hashed("")}, ("sha256",), EXAMPLE),
    "hash of one digit": ({"sha256": "0" * 64}, ("sha256",), EXAMPLE),
    "short": ({"key": "nx-a1b2c3d4e5"}, ("key",), GUESSABLE),
    "monotonous": ({"key": "nx-" + "ab" * 30}, ("key",), GUESSABLE),
    "blank inside": ({"key": ALICE + " x"}, ("key",), "contains spaces"),
    "comma inside": ({"key": ALICE + ",x"}, ("key",), "contains spaces"),
    "not ASCII": ({"key": ALICE + "ä"}, ("key",), "contains spaces"),
    "no hash": ({"sha256": "abc"}, ("sha256",), "is not a SHA-256"),
    "key in the place of its hash": ({"sha256": ALICE}, ("sha256",), "is not a SHA-256"),
    "no model": ({"sha256": DIGEST, "models": []}, ("models",), "allows no model"),
    "empty pattern": ({"sha256": DIGEST, "models": ["a/*", ""]}, ("models", "1"), "must not be empty"),
    "time without a zone": ({"sha256": DIGEST, "expires": "2027-01-31T10:00:00"}, ("expires",), "no time zone"),
    "no time": ({"sha256": DIGEST, "expires": "soon"}, ("expires",), "is not a date"),
    "number": ({"sha256": DIGEST, "expires": 20270131}, ("expires",), "is not a date"),
    "no hash at all": ({"sha256": []}, ("sha256",), "has 0 keys"),
    "too many hashes": ({"sha256": [DIGEST] * 4}, ("sha256",), "has 4 keys; list one to 3"),
    "second hash": ({"sha256": [DIGEST, "abc"]}, ("sha256", "1"), "is not a SHA-256"),
    "one hash twice": ({"sha256": [DIGEST, DIGEST.upper()]}, ("sha256", "1"), "is listed twice"),
    "second key": ({"key": [ALICE, "sk-1234"]}, ("key", "1"), EXAMPLE),
    "key among hashes": ({"sha256": [DIGEST, ALICE]}, ("sha256", "1"), "is not a SHA-256"),
    "number in the place of a hash": ({"sha256": 12}, ("sha256",), "must be a string, or a list"),
    "empty group": ({"sha256": DIGEST, "group": " "}, ("group",), "is empty"),
}


@pytest.mark.parametrize(("table", "place", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_keys_are_rejected(table: dict[str, Any], place: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        tables(keys={"alice": table})
    (error,) = caught.value.errors()
    assert tuple(map(str, error["loc"])) == ("keys", "alice", *place)
    assert message in str(error["msg"])
    assert ALICE not in str(error["msg"])


def test_one_key_under_two_names_is_rejected() -> None:
    with pytest.raises(ValidationError) as caught:
        tables(keys={"alice": {"key": ALICE}, "bob": {"sha256": DIGEST.upper()}})
    (error,) = caught.value.errors()
    assert error["loc"] == ("keys", "bob", "sha256")
    assert "is also the key of alice" in str(error["msg"])


def test_both_keys_of_a_rotation_are_the_same_caller() -> None:
    for table in ({"sha256": [DIGEST, hashed(BOB)]}, {"key": [ALICE, BOB]}):
        keys = ring(alice=table)
        assert [(keys.find(key) or ("",))[0] for key in (ALICE, BOB)] == ["alice", "alice"]


def test_a_rotated_key_cannot_belong_to_another_name() -> None:
    with pytest.raises(ValidationError) as caught:
        tables(keys={"alice": {"key": ALICE}, "bob": {"sha256": [hashed(BOB), DIGEST]}})
    (error,) = caught.value.errors()
    assert error["loc"] == ("keys", "bob", "sha256", 1)
    assert "is also the key of alice" in str(error["msg"])


def test_overlong_key_names_are_rejected() -> None:
    with pytest.raises(ValidationError):
        tables(keys={"a" * 257: {"sha256": DIGEST}})


EXPIRIES: dict[str, tuple[object, datetime]] = {
    "date: through that day": (date(2027, 1, 31), datetime(2027, 2, 1, tzinfo=UTC)),
    "date as text": ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
    "moment": (datetime(2027, 1, 31, 10, tzinfo=UTC), datetime(2027, 1, 31, 10, tzinfo=UTC)),
    "moment elsewhere": ("2027-01-31T10:00:00+02:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
}


@pytest.mark.parametrize(("value", "moment"), EXPIRIES.values(), ids=EXPIRIES.keys())
def test_expiry_dates_are_read_and_enforced(value: object, moment: datetime) -> None:
    assert read_expiry(value) == moment
    key = tables(keys={"alice": {"sha256": DIGEST, "expires": value}}).keys["alice"]
    assert not is_expired(key, moment.timestamp() - 0.001)
    assert is_expired(key, moment.timestamp())


@pytest.mark.parametrize(
    "name", ["alice", "alice@example.org", 'a "quoted" name', "back\\slash", "Jörg", "team.red", "\U0001f600"]
)
def test_new_prints_a_key_and_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(Options(name=name)) == 0
    printed, shown = capsys.readouterr()
    (key,) = [line for line in shown.splitlines() if line.startswith("nx-")]
    assert key not in printed, "stdout has only the table, so that it can be appended to a file"
    pasted = tomllib.loads(printed)
    keys = KeyRing(tables(**pasted["server"]).keys)
    found = keys.find(key)
    assert found is not None and found[0] == name
    # Every commented line is valid once uncommented.
    table = printed.replace("\n#", "\n").replace('"..."', '"red"')
    tomllib.loads(table)


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a" * 257])
def test_new_rejects_names_that_the_settings_reject(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(Options(name=name)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("nexus: the name of a key: ") and err.count("\n") == 1


def rotated(table: dict[str, Any], name: str = "alice") -> int:
    llm = {"providers": {"demo": {"type": "echo", "models": {"echo": {}}}}}
    settings = Settings.model_validate({"server": {"keys": {"alice": table}}, "llm": llm})
    return rotate(Options(name=name), settings, Source(Path("nexus.toml")))


ROTATIONS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "hash": ({"sha256": DIGEST}, [DIGEST], "replace sha256 in [server.keys.alice]"),
    "key": ({"key": ALICE}, [DIGEST], "replace key in [server.keys.alice]"),
    "not yet over": ({"sha256": [DIGEST, hashed(BOB)]}, [DIGEST, hashed(BOB)], "the rest of the table stays"),
    "full": (
        {"sha256": [DIGEST, hashed(BOB), hashed("x" + BOB)]},
        [DIGEST, hashed(BOB)],
        "the oldest key is dropped: a name has at most 3 at a time",
    ),
    "expired": (
        {"sha256": DIGEST, "expires": "2020-01-31"},
        [DIGEST],
        "expires of this table has passed, for the new key too",
    ),
}


@pytest.mark.parametrize(("table", "old", "said"), ROTATIONS.values(), ids=ROTATIONS.keys())
def test_rotate_prints_a_key_and_the_line_that_accepts_it_besides_the_old_one(
    table: dict[str, Any], old: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rotated(table) == 0
    printed, shown = capsys.readouterr()
    (key,) = [line for line in shown.splitlines() if line.startswith("nx-")]
    assert key not in printed and said in shown
    pasted = tomllib.loads(printed)["server"]["keys"]["alice"]
    assert pasted == {"sha256": [hashed(key), *old]}
    assert (ring(alice=pasted).find(key) or ("",))[0] == "alice"


def test_rotate_suggests_the_key_with_a_similar_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert rotated({"sha256": DIGEST}, "alicia") == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "nexus: nexus.toml has no [server.keys.alicia]; did you mean alice?\n")

"""The hierarchy of limits as a table, and keys that never collide, whatever the ids."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.limits.quota import SECOND, Quota
from nexus.limits.rules import LimitKey, LimitRules
from nexus.limits.store_keys import MAX_ID, encode_id, scope_of, spending_tag
from nexus.settings.limits import RateLimits
from tests.limits.kit import PROFILE

Limits = dict[str, Any] | None


def table(
    base: int, groups: dict[str, int] | None = None, key: str = "input_token_limit", every: str = "60s"
) -> Limits:
    found = {name: {key: limit, "interval": every} for name, limit in (groups or {}).items()}
    return {"per_user": {key: base, "interval": every, "groups": found}}


def limit_key(provider: Limits, model: Limits, group: str | None, alias: str = "m", client: str = "c") -> LimitKey:
    def read(data: Limits) -> RateLimits | None:
        return None if data is None else RateLimits.model_validate(data)

    return LimitKey(client, group, "p", alias, read(provider), read(model))


def resolve(one: LimitKey) -> tuple[Quota, ...]:
    return LimitRules().resolve(one)


def spending_key(client: str, provider: str, model: str | None) -> str:
    return spending_tag(client, provider) + scope_of(model, "requests", 1)


HIERARCHY: dict[str, tuple[Limits, Limits, str | None, tuple[int, str, str] | None]] = {
    "nothing": (None, None, "pro", None),
    "provider": (table(1), None, None, (1, "*", "provider p")),
    "provider, unknown group": (table(1, {"pro": 2}), None, "free", (1, "*", "provider p")),
    "provider, group": (table(1, {"pro": 2}), None, "pro", (2, "*", "provider p, group pro")),
    "model": (table(1, {"pro": 2}), table(3), None, (3, "m", "model p/m")),
    "model hides the provider's group": (table(1, {"pro": 2}), table(3), "pro", (3, "m", "model p/m")),
    "model, group": (table(1, {"pro": 2}), table(3, {"pro": 4}), "pro", (4, "m", "model p/m, group pro")),
    "model, other group": (table(1, {"free": 2}), table(3, {"pro": 4}), "free", (3, "m", "model p/m")),
    "model alone": (None, table(3, {"pro": 4}), "pro", (4, "m", "model p/m, group pro")),
    "a group lower than the rest": (table(100, {"free": 1}), None, "free", (1, "*", "provider p, group free")),
}


@pytest.mark.parametrize(("provider", "model", "group", "expected"), HIERARCHY.values(), ids=HIERARCHY.keys())
def test_the_most_specific_limit_applies(
    provider: Limits, model: Limits, group: str | None, expected: tuple[int, str, str] | None
) -> None:
    quotas = resolve(limit_key(provider, model, group))
    found = [(quota.limit, quota.key.split(":")[3], quota.rule) for quota in quotas]
    assert found == ([] if expected is None else [expected])


def test_each_dimension_falls_back_separately() -> None:
    provider = {"per_user": {"input_token_limit": 1, "output_token_limit": 2, "request_limit": 3, "interval": "1h"}}
    model = {"per_user": {"output_token_limit": 4, "interval": "1m", "groups": {}}}
    model["per_user"]["groups"] = {"pro": {"request_limit": 5, "interval": "1s"}}
    quotas = {quota.dimension: quota for quota in resolve(limit_key(provider, model, "pro"))}
    assert {name: (quota.limit, quota.interval // SECOND, quota.rule) for name, quota in quotas.items()} == {
        "input_tokens": (1, 3600, "provider p"),
        "output_tokens": (4, 60, "model p/m"),
        "requests": (5, 1, "model p/m, group pro"),
    }
    assert len({spending_tag("c", "p") in quota.key for quota in quotas.values()}) == 1


def test_provider_limits_cover_all_models_and_model_limits_one() -> None:
    one, two = (resolve(limit_key(table(1), None, None, alias))[0].key for alias in ("a", "b"))
    assert one == two
    one, two = (resolve(limit_key(None, table(1), None, alias))[0].key for alias in ("a", "b"))
    assert one != two


def test_changing_the_group_gives_no_fresh_quota() -> None:
    limits = table(1, {"pro": 2, "free": 3})
    assert len({resolve(limit_key(limits, None, group))[0].key for group in (None, "pro", "free")}) == 1


def test_cached_plans_are_per_group_and_bounded_by_the_settings() -> None:
    rules, limits, other = LimitRules(), limit_key(table(1, {"pro": 2}), None, None), limit_key(table(7), None, None)
    asked = {group: rules.resolve(replace(limits, group=group))[0].limit for group in (None, "pro", "x", "y")}
    assert asked == {None: 1, "pro": 2, "x": 1, "y": 1}
    assert len(rules._plans) == 2
    assert rules.resolve(other)[0].limit == 7, "the settings were reloaded"
    assert rules.resolve(replace(other, client="d"))[0].key != rules.resolve(other)[0].key


NAMES = st.one_of(st.text(max_size=20), st.text(alphabet=":{}*%#/~abA", max_size=12))


@PROFILE
@given(st.tuples(NAMES, NAMES, st.one_of(st.none(), NAMES)), st.tuples(NAMES, NAMES, st.one_of(st.none(), NAMES)))
def test_keys_are_injective(one: tuple[str, str, str | None], two: tuple[str, str, str | None]) -> None:
    keys = [spending_key(client, provider, model) for client, provider, model in (one, two)]
    assert (keys[0] == keys[1]) == (one == two)
    for key in keys:
        assert (key.count("{"), key.count("}"), key[0]) == (1, 1, "{")
        assert key.isascii()
        assert key.isprintable()


def test_colliding_ids_of_the_reference_do_not_collide() -> None:
    assert spending_key("a:b", "c", None) != spending_key("a", "b:c", None)
    assert spending_key("c", "p", "*") != spending_key("c", "p", None)


def test_any_id_is_encoded_to_a_bounded_length() -> None:
    assert len(encode_id("\U0001f600" * 10_000)) == 65
    assert encode_id("x" * MAX_ID) == "x" * MAX_ID
    assert encode_id("x" * (MAX_ID + 1)) != encode_id("x" * (MAX_ID + 2))
    assert encode_id("\ud800") == "%ED%A0%80"
    assert encode_id("#" + "0" * 64).startswith("%23")

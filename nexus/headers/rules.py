"""Applies header rules to one attempt, and tells beforehand, by names only, what they will do.

Law: pure: the same rules and headers always give the same result, and nothing that came in is changed. Every name is
lower-case. Rules run in order, those of the provider before those of the model, each on what the ones before it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nexus.headers.names import is_denied, is_secret, matches_no_pattern, nominated
from nexus.settings.header_rules import Forward, HeaderRule, Insert, Remove, RenameDuplicate

Headers = Mapping[str, str]


def apply(
    rules: Iterable[HeaderRule],
    client: Headers,
    own: Headers,
    *,
    passed: Headers | None = None,
    reserved: frozenset[str] = frozenset(),
    credential_headers: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """The headers of the request to the vendor.

    ``own`` is what the provider writes itself: a rule replaces it, and takes a credential away by its name. ``passed``
    is what the provider lets travel without any rule, which rules can take back. ``reserved`` names the credentials
    that it adds later, as it signs. ``credential_headers`` names the client's headers that carried its credential for
    the gateway: they do not exist here.
    """
    closed = credential_headers | nominated(client)
    incoming = {name: value for name, value in client.items() if name not in closed}
    result = {name: value for name, value in (passed or {}).items() if name not in closed}
    removed: set[str] = set()
    for rule in rules:
        match rule:
            case Forward():
                _forward(rule, incoming, result)
            case Insert():
                result[rule.name] = rule.value.get_secret_value()
            case Remove():
                for name in [name for name in result if _is_meant(rule, name)]:
                    del result[name]
                removed |= {rule.name} if rule.name is not None and is_secret(rule.name) else set()
            case RenameDuplicate():
                value = _value(rule, rule.name, incoming)
                if value is not None:
                    result[rule.name] = result[rule.rename] = value
            case _:
                raise TypeError(f"{type(rule).__name__} is not a rule that can be applied")
    for name in reserved:
        result.pop(name, None)
    return {**{name: value for name, value in own.items() if name not in removed - reserved}, **result}


def rewrite(
    rules: Iterable[HeaderRule],
    client: Headers,
    prepared: Headers,
    *,
    reserved: frozenset[str] = frozenset(),
    credential_headers: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """``apply`` for headers that a provider has put together: what is as the client sent it was let through."""
    passed = {
        name: value
        for name, value in prepared.items()
        if client.get(name) == value and not is_denied(name) and not is_secret(name)
    }
    own = {name: value for name, value in prepared.items() if name not in passed}
    return apply(rules, client, own, passed=passed, reserved=reserved, credential_headers=credential_headers)


def plan(rules: Iterable[HeaderRule]) -> list[str]:
    """One line for each rule: names only, never a value."""
    return [" ".join(_words(rule)) for rule in rules]


def _forward(rule: Forward, incoming: Headers, result: dict[str, str]) -> None:
    if rule.pattern is not None:
        for name, sent in incoming.items():
            if not matches_no_pattern(name) and rule.pattern.matches(name):
                result[rule.rename or name] = sent
        return
    assert rule.name is not None, "the settings ask for a name or a pattern"
    result.pop(rule.name, None)
    value = _value(rule, rule.name, incoming)
    if value is not None:
        result[rule.rename or rule.name] = value


def _value(rule: Forward | RenameDuplicate, name: str, incoming: Headers) -> str | None:
    if name in incoming:
        return incoming[name]
    return rule.default.get_secret_value() if rule.default is not None else None


def _is_meant(rule: Remove, name: str) -> bool:
    return name == rule.name or (rule.pattern is not None and rule.pattern.matches(name))


def _words(rule: HeaderRule) -> Iterator[str]:
    yield rule.rule
    match rule:
        case Forward() | Remove():
            yield rule.name or f"/{rule.pattern.text if rule.pattern else ''}/"
        case Insert() | RenameDuplicate():
            yield rule.name
    match rule:
        case Forward(rename=str(other)) | RenameDuplicate(rename=other):
            yield f"as {other}" if isinstance(rule, Forward) else f"and {other}"
    if isinstance(rule, Forward | RenameDuplicate) and rule.default is not None:
        yield "(with a default)"
    if getattr(rule, "allow_secret", False):
        yield "(a credential)"

"""Wildcard patterns of model names in the settings."""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name matches the pattern, in which ``*`` matches any text. Never backtracks."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    last = rest.pop()
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in rest:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True

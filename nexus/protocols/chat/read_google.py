"""Google's extensions of chat completions: ``extra_body.google``, or ``google`` from SDKs that merge their
``extra_body`` into the body.

Members may have Google's names in either spelling (``thinking_config``, ``thinkingConfig``). Sources:
ai.google.dev/gemini-api/docs/openai; Vertex AI, "Using OpenAI libraries with Vertex AI".
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Thinking
from nexus.dataclasses import dataclass, replace
from nexus.late import pattern
from nexus.protocols.checks import Body, Drops, an_object, maybe_object, maybe_string, objects_in
from nexus.protocols.google_thinking import ThinkingKeys, read_thinking_config
from nexus.wire import Json, mapping

_AT = "extra_body.google"
_THINKING = f"{_AT}.thinking_config"
_NAMES = ThinkingKeys("include_thoughts", "thinking_budget", "thinking_level")
_CAPITAL = pattern("[A-Z]")


@dataclass(frozen=True, slots=True)
class Google:
    """``thinking`` is ``thinking_config`` alone, without the request's other fields about thinking."""

    thinking: Body | None = None
    cached_content: str | None = None
    safety_settings: tuple[Mapping[str, Json], ...] = ()


def read_google(body: Body, drops: Drops) -> Google:
    """Raises InvalidRequest."""
    if "extra_body" not in body and "google" not in body:
        return Google()
    extra = maybe_object(body, "extra_body")
    drops.unknown(extra, ("google",), "extra_body")
    given = _snake(maybe_object(body, "google")) | _snake(maybe_object(extra, "google", "extra_body"))
    drops.unknown(given, ("thinking_config", "cached_content", "safety_settings"), _AT)
    thinking = given.get("thinking_config")
    settings = given.get("safety_settings")
    return Google(
        None if thinking is None else _snake(an_object(thinking, _THINKING)),
        maybe_string(given, "cached_content", _AT) or None,
        () if settings is None else tuple(one for one, _ in objects_in(settings, f"{_AT}.safety_settings")),
    )


def names_cache(body: Body) -> bool:
    return any(
        "cached_content" in _snake(mapping(holder.get("google"))) for holder in (body, mapping(body.get("extra_body")))
    )


def read_google_thinking(wire: Body, asked: Thinking | None, drops: Drops) -> Thinking | None:
    """Reads ``thinking_config``. If that only hides the thoughts, returns ``asked``, read from other fields, without
    them."""
    amount, include = read_thinking_config(wire, _NAMES, _THINKING, drops)
    if amount is not None:
        return amount
    if include:
        return Thinking(True)
    return replace(asked, visible=False) if asked is not None and include is False else asked


def _snake(wire: Body) -> dict[str, Json]:
    return {_CAPITAL.sub(lambda found: "_" + found[0].lower(), name): value for name, value in wire.items()}

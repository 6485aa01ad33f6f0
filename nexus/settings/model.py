"""``[llm.providers.NAME.models.ALIAS]``: one model of a provider."""

from typing import Annotated

from pydantic import Field

from nexus.settings.attempts import ModelTimeouts
from nexus.settings.header_rules import HeaderRules
from nexus.settings.limits import RateLimits
from nexus.settings.price import PriceSettings
from nexus.settings.types import Label, Names, Table


class ModelSettings(Table):
    """``[llm.providers.NAME.models.ALIAS]``: one model. Clients call it NAME/ALIAS."""

    rename: Label | None = None
    """The vendor's id of the model. Default: the alias."""

    expose_as: Names = ()
    """Additional name, or a list of names, under which the model is listed and called. Claude Code lists only names
    that contain "claude" or "anthropic"."""

    display_name: Label | None = None
    """Human-readable name in model lists."""

    description: Label | None = None
    """One-line description in model lists."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Output limit for vendors that require one, if the client sets none; thinking is added to it. Default: what the
    Claude model allows, at most 32000 including thinking; 4096 for any other model."""

    context: Annotated[int, Field(ge=1)] | None = None
    """Context window: maximum tokens of input and output together. A virtual model sends a call that cannot fit to
    another target."""

    timeouts: ModelTimeouts = ModelTimeouts.model_construct()
    """Timeouts of this model, overriding the provider's."""

    auto_cache: bool = False
    """Add up to four prompt cache breakpoints to translated requests to Claude that have none: after the tools, the
    system prompt and the last two turns. Cache writes cost more than plain input, cache reads less."""

    web_search: bool = False
    """Use this vendor's web search when a client requests that of its own vendor; otherwise such requests are
    rejected."""

    headers: HeaderRules = ()
    """Header rules of this model, applied after those of the provider."""

    rate_limits: RateLimits | None = None
    """Limits per caller on this model, in place of the provider's."""

    price: PriceSettings | None = None
    """Price of the model, in place of the bundled price list."""

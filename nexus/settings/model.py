"""``[llm.providers.NAME.models.ALIAS]``: one model of a provider."""

from typing import Annotated

from pydantic import Field

from nexus.settings.attempts import ModelTimeouts
from nexus.settings.header_rules import HeaderRules
from nexus.settings.limits import RateLimits
from nexus.settings.price import PriceSettings
from nexus.settings.types import Label, Names, Table


class ModelSettings(Table):
    """``[llm.providers.NAME.models.ALIAS]``: one model, under the name that clients use."""

    rename: Label | None = None
    """The vendor's id of the model; by default the alias."""

    expose_as: Names = ()
    """A second name, or several in a list, under which clients find and call it; Claude Code lists names that begin
    with "claude" or "anthropic" only."""

    display_name: Label | None = None
    """A name for people, shown in model lists."""

    description: Label | None = None
    """A line for people, shown in model lists."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Output limit for vendors that demand one, where the client gave none; thinking comes on top. When left out: what
    the Claude model allows, 32000 with its thinking at the most; for any other model 4096."""

    context: Annotated[int, Field(ge=1)] | None = None
    """Tokens of input and output together that the model takes; through a virtual model a call that cannot fit goes to
    another target."""

    timeouts: ModelTimeouts = ModelTimeouts.model_construct()
    """How long silence of this model may last, in place of what the provider says."""

    auto_cache: bool = False
    """Whether a translated request to Claude that has no cache breakpoint gets up to four: behind the tools, the system
    text and the last two turns. What is written to the cache costs more once and less from then on."""

    web_search: bool = False
    """Whether the vendor searches the web where a client asks its own vendor to; otherwise that is refused."""

    headers: HeaderRules = ()
    """What happens to headers on the way to the vendor, after the provider's own rules."""

    rate_limits: RateLimits | None = None
    """What each caller may spend on this model, in place of the provider's limits."""

    price: PriceSettings | None = None
    """What its tokens cost, in place of the list of prices that Nexus brings along."""

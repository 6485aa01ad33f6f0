"""``price`` of a model: its token prices, in place of the bundled price list.

Amounts are decimal numbers of at most nine places, kept as whole nano-dollars and never as binary floats.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, get_args

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from nexus.conversation.usage import NANO
from nexus.settings.types import Location, Table

MOST = 10**6
"""Highest price in dollars; a higher one is taken for a mistake."""


def read_dollars(value: object) -> int:
    """Reads 3, 0.3 or "0.075" as nano-dollars. Raises ValueError."""
    text = 'is not an amount in US dollars; write it like 3, 0.3 or "0.075"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(text)
    try:
        # str() of a float is its shortest decimal form, which is what the file says.
        dollars = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(text) from None
    if not dollars.is_finite():
        raise ValueError(text)
    if not 0 <= dollars <= MOST:
        raise ValueError(f"must be between 0 and {MOST} US dollars")
    nano = dollars * NANO
    if nano != nano.to_integral_value():
        raise ValueError("has more than nine decimal places")
    return int(nano)


_READ = BeforeValidator(read_dollars)
Dollars = Annotated[int, _READ]
"""Nano-dollars; written as a decimal number of US dollars."""


def is_dollars(field: FieldInfo) -> bool:
    """Whether the values of a field are amounts of money."""
    return _READ in field.metadata or Dollars in get_args(field.annotation)


class Rates(Table):
    """US dollars per million tokens, by kind of token."""

    input: Dollars
    """Input tokens that are not cached."""

    output: Dollars
    """Output tokens."""

    cache_read: Dollars | None = None
    """Tokens read from the vendor's cache. Default: as input."""

    cache_write_5m: Dollars | None = None
    """Tokens written to the cache for five minutes. Default: as input."""

    cache_write_1h: Dollars | None = None
    """Tokens written to the cache for an hour. Default: unknown, or 0 if input costs 0."""

    reasoning: Dollars | None = None
    """Reasoning tokens. Default: as output."""

    @property
    def parts(self) -> dict[str, int]:
        """Nano-dollars per million tokens by kind, for those that are set."""
        rates = {name: rate for name in Rates.model_fields if (rate := getattr(self, name)) is not None}
        return {"cache_write_1h": 0, **rates} if self.input == 0 else rates


class PriceSettings(Rates):
    """``price`` of a model, in US dollars."""

    per_request: Dollars = 0
    """US dollars per call, in addition to its tokens."""

    above: dict[str, Rates] = Field(default_factory=dict)
    """Prices of long calls by number of input tokens: above it, they apply to all tokens of the call."""

    def problems(self) -> Iterator[Location]:
        for name in self.above:
            if not (name.isascii() and name.isdecimal() and 0 < int(name) < 10**9):
                yield ("above", name), "is not a number of tokens, such as 200000"

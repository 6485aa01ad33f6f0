"""``price`` of a model: what its tokens cost, in place of the list that Nexus brings along.

Exact. Amounts of money are decimal numbers of at most nine places and never pass through binary fractions.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator, Field

from nexus.settings.types import Location, Table

NANO = 10**9
MOST = 10**6
"""Dollars that anything here may cost; a higher amount is somebody's mistake."""


def read_dollars(value: object) -> int:
    """Nano-dollars of 3, 0.3 or "0.075"."""
    text = 'is not an amount in US dollars; write it like 3, 0.3 or "0.075"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(text)
    try:
        # The shortest text of a number is the one that stands in the file.
        dollars = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(text) from None
    nano = dollars * NANO
    if not dollars.is_finite() or nano != nano.to_integral_value():
        raise ValueError("has more than nine decimal places" if dollars.is_finite() else text)
    if not 0 <= dollars <= MOST:
        raise ValueError(f"must be between 0 and {MOST} US dollars")
    return int(nano)


Dollars = Annotated[int, BeforeValidator(read_dollars)]
"""Nano-dollars; written as a decimal number of US dollars."""


class Rates(Table):
    """US dollars per million tokens, by what the tokens are."""

    input: Dollars
    """Tokens sent that no cache held."""

    output: Dollars
    """Tokens received."""

    cache_read: Dollars | None = None
    """Tokens read from the vendor's cache; as input when left out."""

    cache_write_5m: Dollars | None = None
    """Tokens written to the cache for five minutes; as input when left out."""

    cache_write_1h: Dollars | None = None
    """Tokens written to the cache for an hour; unknown when left out."""

    reasoning: Dollars | None = None
    """Tokens of reasoning; as output when left out."""

    @property
    def parts(self) -> dict[str, int]:
        """Nano-dollars per million tokens, by part, as far as they are said."""
        rates = {name: rate for name in Rates.model_fields if (rate := getattr(self, name)) is not None}
        return {"cache_write_1h": 0, **rates} if self.input == 0 else rates


class PriceSettings(Rates):
    """``price`` of a model."""

    per_request: Dollars = 0
    """US dollars for each call, beside its tokens."""

    above: dict[str, Rates] = Field(default_factory=dict)
    """Number of input tokens to the prices of longer calls, which all their tokens cost."""

    def problems(self) -> Iterator[Location]:
        for name in self.above:
            if not (name.isascii() and name.isdecimal() and 0 < int(name) < 10**9):
                yield ("above", name), "is not a number of tokens, such as 200000"

"""Data URLs as clients write them."""

import pytest

from nexus.conversation.parts import Inline
from nexus.protocols.media import read_url


@pytest.mark.parametrize("written", ["aGVsbG8h", "aGVs\nbG8h", "aGVs\r\nbG8h\r\n", " aGVs bG8h"])
def test_white_space_in_base64_is_removed(written: str) -> None:
    """As in files that were encoded in lines."""
    assert read_url(f"data:image/png;base64,{written}", param="x") == Inline("image/png", "aGVsbG8h")


@pytest.mark.parametrize(
    ("written", "whole"), [("aGVsbG8", "aGVsbG8="), ("aGVsbA", "aGVsbA=="), ("aGVsbA==", "aGVsbA==")]
)
def test_padding_is_optional(written: str, whole: str) -> None:
    assert read_url(f"data:image/png;base64,{written}", param="x") == Inline("image/png", whole)

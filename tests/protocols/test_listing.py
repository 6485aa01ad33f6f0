"""Anthropic's model list: the shape that its SDK reads, and every cursor.

Walking the pages in either direction returns every model once.
"""

from typing import Any

import pytest
from anthropic.types import ModelInfo

from nexus.errors import InvalidRequest
from nexus.protocols.dialect import ModelCard
from nexus.protocols.messages.dialect import DIALECT

DAY = 1_759_104_000
CARDS = [ModelCard(f"p/m{number}", "p", DAY) for number in range(1, 8)]


def ids(page: dict[str, Any]) -> list[str]:
    return [model["id"].removeprefix("p/m") for model in page["data"]]


def test_a_model_is_written() -> None:
    written = DIALECT.write_model(ModelCard("anthropic/a/b", "anthropic", DAY, "A and B"))
    read = ModelInfo.model_validate(written | {"capabilities": None, "max_input_tokens": None, "max_tokens": None})
    assert (read.id, read.type, read.display_name) == ("anthropic/a/b", "model", "A and B")
    assert written["created_at"] == "2025-09-29T00:00:00Z"
    assert DIALECT.write_model(ModelCard("p/x", "p", DAY))["display_name"] == "p/x", "the display name is never missing"


@pytest.mark.parametrize(
    ("query", "expected", "more"),
    [
        pytest.param({}, "1234567", False, id="all"),
        pytest.param({"limit": "3"}, "123", True, id="the first three"),
        pytest.param({"limit": "7"}, "1234567", False, id="exactly all"),
        pytest.param({"limit": ""}, "1234567", False, id="an empty limit"),
        pytest.param({"limit": "6"}, "123456", True, id="all but one"),
        pytest.param({"limit": "1000"}, "1234567", False, id="the largest limit"),
        pytest.param({"limit": "1"}, "1", True, id="the smallest limit"),
        pytest.param({"after_id": "p/m2", "limit": "3"}, "345", True, id="after"),
        pytest.param({"after_id": "p/m4", "limit": "3"}, "567", False, id="after, exactly the rest"),
        pytest.param({"after_id": "p/m7"}, "", False, id="after the last"),
        pytest.param({"before_id": "p/m5", "limit": "3"}, "234", True, id="right before"),
        pytest.param({"before_id": "p/m4", "limit": "3"}, "123", False, id="before, exactly the rest"),
        pytest.param({"before_id": "p/m1"}, "", False, id="before the first"),
        pytest.param({"after_id": ""}, "1234567", False, id="an empty cursor is ignored"),
        pytest.param({"beta": "true"}, "1234567", False, id="other parameters"),
    ],
)
def test_pages_follow_limit_and_cursors(query: dict[str, str], expected: str, more: bool) -> None:
    page = DIALECT.write_models(CARDS, query)
    assert "".join(ids(page)) == expected
    assert page["has_more"] is more
    assert page["first_id"] == (f"p/m{expected[0]}" if expected else None)
    assert page["last_id"] == (f"p/m{expected[-1]}" if expected else None)
    assert set(page) == {"data", "has_more", "first_id", "last_id"}


def test_the_default_limit_is_twenty() -> None:
    page = DIALECT.write_models([ModelCard(f"p/{number}", "p", DAY) for number in range(21)], {})
    assert (len(page["data"]), page["has_more"], page["last_id"]) == (20, True, "p/19")


def test_an_empty_list_is_written() -> None:
    assert DIALECT.write_models([], {}) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        pytest.param({"limit": "0"}, "limit", id="zero"),
        pytest.param({"limit": "1001"}, "limit", id="too many"),
        pytest.param({"limit": "-1"}, "limit", id="negative"),
        pytest.param({"limit": "ten"}, "limit", id="a word"),
        pytest.param({"limit": "1.5"}, "limit", id="a fraction"),
        pytest.param({"limit": "²"}, "limit", id="a superscript digit"),
        pytest.param({"limit": "٣"}, "limit", id="a number in another script"),
        pytest.param({"limit": "9" * 5000}, "limit", id="a very long number"),
        pytest.param({"after_id": "p/unknown"}, "after_id", id="unknown after"),
        pytest.param({"before_id": "p/unknown"}, "before_id", id="unknown before"),
        pytest.param({"after_id": "p/m1", "before_id": "p/m3"}, "before_id", id="both cursors"),
    ],
)
def test_invalid_limits_and_cursors_are_rejected(query: dict[str, str], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DIALECT.write_models(CARDS, query)
    assert caught.value.param == param
    assert len(caught.value.message) < 100

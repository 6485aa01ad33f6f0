"""Which headers are forwarded in either direction, and how long a vendor asks us to wait.

Headers that are not listed are not forwarded. Reading ``retry-after`` never fails, whatever a vendor sends.
"""

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexus.headers.forwarding import forwarded, retry_after, returned, without_credentials

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT

CLIENT = {
    "authorization": "Bearer hushhush-client",
    "x-api-key": "hushhush-client",
    "x-goog-api-key": "hushhush-client",
    "x-provider-api-key": "hushhush-client",
    "anthropic-api-key": "hushhush-client",
    "cookie": "session=client",
    "host": "gateway",
    "content-length": "12",
    "connection": "keep-alive",
    "user-agent": "sdk",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "a,b",
    "anthropic-future": "1",
    "anthropic-auth-token": "hushhush-client",
    "x-claude-code-session-token": "hushhush-client",
    "x-claude-code-session-id": "s",
    "openai-organization": "org",
    "x-stainless-lang": "python",
}


@pytest.mark.parametrize(
    ("prefixes", "names", "expected"),
    [
        pytest.param((), (), set(), id="nothing by itself"),
        pytest.param(
            ("anthropic-", "x-claude-code-"),
            (),
            {"anthropic-version", "anthropic-beta", "anthropic-future", "x-claude-code-session-id"},
            id="open lists, never the key",
        ),
        pytest.param((), ("openai-organization", "missing"), {"openai-organization"}, id="by name"),
        pytest.param(("anthropic-",), ("anthropic-api-key",), None, id="not even when named"),
        pytest.param(("openai-",), ("user-agent",), {"openai-organization", "user-agent"}, id="both"),
    ],
)
def test_only_listed_client_headers_are_forwarded(
    prefixes: tuple[str, ...], names: tuple[str, ...], expected: set[str] | None
) -> None:
    travels = forwarded(CLIENT, prefixes, names)
    assert "anthropic-api-key" not in travels
    assert all(travels[name] == CLIENT[name] for name in travels)
    if expected is not None:
        assert set(travels) == expected


@pytest.mark.parametrize(
    ("sent", "travels"),
    [
        ("", ""),
        ("beta=true", "beta=true"),
        (
            "include%5B%5D=reasoning.encrypted_content&&limit=2&x",
            "include%5B%5D=reasoning.encrypted_content&&limit=2&x",
        ),
        ("key=hushhush", ""),
        ("beta=true&api-key=hushhush&order=asc", "beta=true&order=asc"),
        ("API%5fKey=hushhush&a=%2b", "a=%2b"),
        ("access_token=hushhush&keyword=1", "keyword=1"),
        ("page_token=a&next_page_token=b&pageToken=c", "page_token=a&next_page_token=b&pageToken=c"),
    ],
)
def test_a_query_is_forwarded_without_credentials(sent: str, travels: str) -> None:
    assert without_credentials(sent) == travels


RETURNED = (
    *("retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id", "openai-processing-ms"),
    *("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-unified-status", "x-ratelimit-reset-requests"),
)
WITHHELD = (
    *("set-cookie", "server", "date", "connection", "transfer-encoding", "content-length", "content-encoding"),
    *("content-type", "strict-transport-security", "anthropic-organization-id", "openai-organization"),
    *("x-ratelimit", "cf-ray"),
)


def test_only_listed_vendor_headers_are_returned() -> None:
    assert returned(dict.fromkeys((*RETURNED, *WITHHELD), "v")) == dict.fromkeys(RETURNED, "v")


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sets another time zone: HTTP dates are in GMT wherever the machine is."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": "0.25"}, 0.25, id="a fraction"),
        pytest.param({"retry-after": "0"}, 0.0, id="at once"),
        pytest.param({"retry-after": " 7 "}, 7.0, id="spaces"),
        pytest.param({"retry-after-ms": "1500"}, 1.5, id="milliseconds"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "7"}, 1.5, id="milliseconds first"),
        pytest.param({"x-amz-retry-after": "1500"}, 1.5, id="milliseconds of AWS"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "7"}, 7.0, id="milliseconds are invalid"),
        pytest.param({"retry-after-ms": "-1", "retry-after": "7"}, 7.0, id="milliseconds are negative"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0, id="a date"),
        pytest.param({"retry-after": "Tuesday, 14-Nov-23 22:13:50 GMT"}, 30.0, id="an old date"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 23:13:50 +0100"}, 30.0, id="a date elsewhere"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0, id="a date of unknown zone"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:13:50"}, 30.0, id="a date without zone"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0, id="a date in the past"),
        pytest.param({"retry-after": "Tue, 99 Nov 2023 22:13:50 GMT"}, None, id="a day that does not exist"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "nan"}, None, id="not a number"),
        pytest.param({"retry-after": "inf"}, None, id="infinity"),
        pytest.param({"retry-after": "1e999"}, None, id="a number too large for a float"),
        pytest.param({"retry-after": ""}, None, id="empty"),
        pytest.param({"retry-after": "soon"}, None, id="a word"),
        pytest.param({"retry-after": "7, 9"}, None, id="two at once"),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None, far_from_greenwich: None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_a_date_is_relative_to_now() -> None:
    assert (retry_after({"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}) or 0) > 3600


DATE_LIKE = st.text("TueNov 0123456789:,+-GMT", max_size=40)


@given(
    st.text(max_size=20) | DATE_LIKE | st.floats().map(str) | st.datetimes().map("{:%a, %d %b %Y %H:%M:%S %z}".format)
)
@example("Mon, 1 Jan 1 00:00:00 GMT")
@example("1 2 3 4 5")
@example("Mon, 01 Jan 2024 00:00:00 +9999")
def test_reading_any_retry_after_never_fails(value: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        seconds = retry_after({name: value}, NOW)
        assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("sent", "given"),
    [("7", "7"), ("0.2", "1"), ("1e300", "604800"), ("soon", "soon"), ("Tue, 14 Nov 2023 22:13:50 GMT",) * 2],
)
def test_retry_after_is_returned_in_whole_bounded_seconds(sent: str, given: str) -> None:
    """Claude Code reads only integers."""
    assert returned({"retry-after": sent}) == {"retry-after": given}


def test_retry_after_is_capped_at_one_week() -> None:
    assert retry_after({"retry-after": "1e300"}) == retry_after({"retry-after-ms": "1e300"}) == 604_800

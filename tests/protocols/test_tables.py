"""The field tables are exact: each field is sent, and checked to be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool
from nexus.errors import UnsupportedFeature
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.wire import decode, encode

from .sent import ASKED, BESIDE, BEST, HELD, PLAIN, SENT, kept


@contextmanager
def table_row(name: str) -> Iterator[None]:
    """Adds the name of the row to a failure. One test per row would take longer to collect than to run."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the row {name!r}")
        raise


@pytest.mark.parametrize("client", SENT)
def test_the_tables_of_read_fields_are_exact(client: str) -> None:
    for field in loader.client(client).fields:
        with table_row(field):
            _check_reading(client, field)


def _check_reading(client: str, field: str) -> None:
    codec = loader.client(client)
    row, beside = codec.fields[field], BESIDE.get(field, {}).get(client, {})
    without = {name: value for name, value in (PLAIN[client] | beside).items() if name != field or field in HELD}
    body = decode(encode(without | {field: SENT[client][field]}))
    if row.kind == "refused":
        with pytest.raises(UnsupportedFeature) as caught:
            codec.read(body, kept)
        assert (caught.value.param or "").partition(".")[0] == field
        assert codec.read(body | {field: None}, kept).dropped == ()
        return
    plain, read = codec.read(without, kept), codec.read(body, kept)
    assert [name.partition(".")[0] for name in read.dropped] == ([field] if row.kind == "dropped" else [])
    names = [one.name for one in fields(Request)]
    changed = {name for name in names if getattr(plain.request, name) != getattr(read.request, name)}
    # Streaming clients always get usage in dialects where they need not ask for it.
    changed -= {"include_usage"} if row.field == "stream" else set()
    assert changed == ({row.field} if row.field and row.kind != "dropped" else set())


@pytest.mark.parametrize("vendor", loader.VENDORS)
def test_the_tables_of_written_fields_are_exact(vendor: str) -> None:
    for field in loader.vendor(vendor).fields:
        with table_row(field):
            _check_writing(vendor, field)


def _check_writing(vendor: str, field: str) -> None:
    codec, target = loader.vendor(vendor), BEST.get(vendor, Target("m"))
    tools = (Tool("f"),) if field in ("tool_choice", "parallel_tools") else ()
    request = Request((Message("user", (Text("hi"),)),), tools=tools)
    plain = codec.write_request(request, target)
    row, asking = codec.fields[field], replace(request, **{field: ASKED[field]})
    if row.kind == "refused":
        with pytest.raises(UnsupportedFeature) as caught:
            codec.write_request(asking, target)
        assert caught.value.param == field
        return
    written = codec.write_request(asking, target)
    assert written.dropped == ((field,) if row.kind == "dropped" else ())
    same = (written.body, written.cut) == (plain.body, plain.cut)
    assert same == (row.kind == "dropped" or (vendor, field) in BESIDE_THE_BODY)


BESIDE_THE_BODY = {
    *((vendor, "include_usage") for vendor in loader.VENDORS),
    *((vendor, "stream") for vendor in ("gemini", "converse")),
}
"""Fields that go in the URL, or that change nothing because usage is always requested or sent."""

"""The disposition table: printed into the docs, complete by the SDKs' types, verified by sending every field."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import openai.types.beta
import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_params
from anthropic.types.beta import message_create_params as beta_create_params
from docutils.core import publish_doctree  # type: ignore[import-untyped]
from docutils.nodes import system_message  # type: ignore[import-untyped]
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from nexus.conversation.parts import Request
from nexus.errors import ClientError, UnsupportedFeature
from nexus.models.chat_server import ChatServer
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.protocols.loader import DIALECTS
from nexus.wire import decode, encode
from tests.laws.kit import TARGETS
from tests.protocols.converse.published import service
from tests.protocols.sent import BESIDE, BEST, HELD, PLAIN, SENT, kept
from tools.docs.dispositions import CLIENTS, KINDS, PASSED, READS, VENDORS, WRITES, counts, document, table
from tools.docs.features import features
from tools.fake_upstream.google import shapes

ROOT = Path(__file__).parents[2]
DOCS = Path(__file__).parents[2] / "docs" / "translation.rst"

# The docs


def test_the_docs_are_up_to_date() -> None:
    assert DOCS.read_text() == document(), "run: python -m tools.docs.dispositions > docs/translation.rst"


def test_the_docs_are_valid_restructuredtext() -> None:
    tree = publish_doctree(document(), settings_overrides={"report_level": 1, "halt_level": 5, "warning_stream": False})
    assert [message.astext() for message in tree.findall(system_message)] == []


def test_the_counts_cover_every_cell() -> None:
    for rows in table().values():
        assert sum(counts(rows).values()) == len(rows) * len(VENDORS)
        assert set(counts(rows)) == set(KINDS)


# Complete

PUBLISHED: Mapping[str, tuple[type, ...]] = {
    "chat": (
        completion_create_params.CompletionCreateParamsBase,
        completion_create_params.CompletionCreateParamsNonStreaming,
        completion_create_params.CompletionCreateParamsStreaming,
    ),
    "responses": (
        response_create_params.ResponseCreateParamsBase,
        response_create_params.ResponseCreateParamsNonStreaming,
        response_create_params.ResponseCreateParamsStreaming,
    ),
    "messages": (
        message_create_params.MessageCreateParamsNonStreaming,
        message_create_params.MessageCreateParamsStreaming,
        message_count_tokens_params.MessageCountTokensParams,
        beta_create_params.MessageCreateParamsNonStreaming,
        beta_create_params.MessageCreateParamsStreaming,
        beta_count_params.MessageCountTokensParams,
    ),
}
BEYOND = {
    "chat": {"top_k", "reasoning", "thinking", "extra_body", "google"},
    "responses": {"client_metadata", "presence_penalty", "frequency_penalty"},
    "messages": {"temperature", "top_p", "top_k", "output_format", "anthropic_version", "anthropic_beta"},
}
"""What clients send though the newest types have no name for it."""


@pytest.mark.parametrize("client", PUBLISHED)
def test_every_published_field_has_a_row(client: str) -> None:
    published = {name for shape in PUBLISHED[client] for name in shape.__annotations__}
    for shape in PUBLISHED[client]:
        published |= {name for base in shape.__orig_bases__ for name in getattr(base, "__annotations__", ())}  # type: ignore[attr-defined]
    assert {row.field for row in table()[client]} == published | BEYOND[client]


def test_every_member_of_converse_has_a_row() -> None:
    published = set(service().operation_model("Converse").input_shape.members) - {"modelId"}
    assert {row.field for row in table()["converse"]} == published


def test_every_gemini_field_has_a_row() -> None:
    assert {row.field for row in table()["gemini"]} == {*shapes.FIELDS, *shapes.PLAIN}


def test_openai_has_no_beta_of_this_request() -> None:
    assert not [name for name in dir(openai.types.beta) if "completion" in name.lower()]


def test_every_row_has_a_cell_for_every_vendor() -> None:
    assert set(WRITES) == set(VENDORS) and set(READS) == set(CLIENTS) == set(DIALECTS)
    for rows in table().values():
        assert all(set(row.cells) == set(VENDORS) for row in rows)


def test_every_neutral_field_has_a_row_and_every_row_a_neutral_field() -> None:
    neutral = {field.name for field in fields(Request)}
    for vendor in VENDORS:
        assert set(WRITES[vendor]) == neutral, vendor
    for client in CLIENTS:
        assert {disposition.field for disposition in READS[client].values()} <= neutral | {"", None}, client


# Exact

ELSEWHERE: Mapping[str, str] = {
    "model": "the route chooses it",
    "n": "the default says nothing",
    "additionalModelResponseFieldPaths": "a stop sequence is told anyway",
    "include": "reasoning is always sealed for the client",
    "stream_options": "the usage is always asked for or always told",
    "store": "the gateway keeps the answer, or not",
}
"""Carried without a trace in the body."""

NOT_IN_BODY = {("stream", "gemini"), ("stream", "converse")}
"""The URL says it."""


class Outcome:
    """What happens to one field for one model, found by sending it."""

    def __init__(self, client: str, field: str, vendor: str, target: Target) -> None:
        codec, beside = loader.client(client), BESIDE.get(field, {}).get(client, {})
        without = {name: value for name, value in (PLAIN[client] | beside).items() if name != field or field in HELD}
        body = without | {field: SENT[client][field]}
        self.param: str | None = None
        try:
            plain = codec.read(decode(encode(without)), kept)
            before = loader.vendor(vendor).write_request(plain.request, target)
        except ClientError:
            pytest.skip(f"{target.model} takes nothing like it")
        try:
            read = codec.read(decode(encode(body)), kept)
            written = loader.vendor(vendor).write_request(read.request, target)
        except UnsupportedFeature as refusal:
            self.param = codec.field_of(refusal.param or "", body, plain.request)
            return
        named = {codec.field_of(name, body, read.request).partition(".")[0] for name in written.dropped}
        already = {codec.field_of(name, body, plain.request).partition(".")[0] for name in before.dropped}
        self.dropped = (named - already) | {name.partition(".")[0] for name in read.dropped}
        self.changed = (written.body, written.cut) != (before.body, before.cut)

    def kind(self, field: str) -> str:
        if self.param is not None:
            return "refused" if self.param.partition(".")[0] == field else f"refused as {self.param}"
        if field in self.dropped:
            return "dropped"
        return f"dropped as {sorted(self.dropped)}" if self.dropped else "arrived" if self.changed else "silent"


@pytest.mark.parametrize("client", CLIENTS)
def test_every_field_has_a_sample_to_send(client: str) -> None:
    assert set(SENT[client]) == {row.field for row in table()[client]}


@pytest.mark.parametrize("client", table())
def test_each_cell_matches_the_translation(client: str) -> None:
    """Compares the table with the actual translation, for every field and every other vendor."""
    promised, found = {}, {}
    cells = [(row.field, vendor, cell.kind) for row in table()[client] for vendor, cell in row.cells.items()]
    for field, vendor, kind in cells:
        if vendor == client:
            continue
        arrived = "silent" if field in ELSEWHERE or (field, vendor) in NOT_IN_BODY else "arrived"
        promised[field, vendor] = arrived if kind in ("carried", "converted") else kind
        found[field, vendor] = Outcome(client, field, vendor, BEST[vendor]).kind(field)
    assert found == promised


LESSER = [(vendor, target) for vendor, targets in TARGETS.items() for target in targets]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("vendor", "target"), LESSER, ids=[target.model for _, target in LESSER])
def test_losses_on_less_capable_models_are_reported_and_noted(client: str, vendor: str, target: Target) -> None:
    for row in table()[client] if client != vendor else ():
        if row.field in ELSEWHERE or (row.field, vendor) in NOT_IN_BODY:
            continue
        promised = row.cells[vendor]
        kind = Outcome(client, row.field, vendor, target).kind(row.field)
        if kind == ("arrived" if promised.kind in ("carried", "converted") else promised.kind):
            continue
        # The writers use their own names for a cache hint; see _BREAKPOINTS.
        kind = "dropped" if kind == "dropped as ['cache']" and row.field == "cache_control" else kind
        assert kind in ("dropped", "refused"), row.field
        assert kind in promised.note or (kind == "dropped" and "left out" in promised.note), row.field


@pytest.mark.parametrize("client", CLIENTS)
def test_fields_pass_unchanged_to_their_own_dialect(client: str) -> None:
    for row in table()[client]:
        document = PLAIN[client] | {row.field: SENT[client][row.field], "unheard_of": {"a": 1}}
        target = Target("theirs", chat=ChatServer(no_stream_usage=row.field != "stream_options"))
        sent = decode(DIALECTS[client].passing.edit_request(encode(document), document, target).body)
        assert sent == document | ({} if client in ("converse", "gemini") else {"model": "theirs"})
        cell = row.cells[client]
        assert cell.kind == "converted" if row.field == "model" else cell.note == PASSED


def test_the_vendors_page_has_the_current_feature_table() -> None:
    page = (ROOT / "docs/vendors.rst").read_text()
    between = page.split(".. features\n", 1)[1].split(".. end of features", 1)[0]
    assert between.strip() == features().strip()

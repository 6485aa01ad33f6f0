"""Clients' documents sent to Converse, which reads more formats than other vendors."""

import base64
from typing import Any

import pytest

from nexus.conversation.parts import Document, Inline, Message, Request
from nexus.errors import UnsupportedFeature
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.protocols.converse.write_request import write_request


def written(request: Request) -> Any:
    return write_request(request, Target("us.amazon.nova-pro-v1:0")).body


OFFICE = "application/vnd.openxmlformats-officedocument."


@pytest.mark.parametrize(
    ("media_type", "kind"),
    {
        OFFICE + "wordprocessingml.document": "docx",
        OFFICE + "spreadsheetml.sheet": "xlsx",
        "application/msword": "doc",
        "application/vnd.ms-excel": "xls",
        "text/csv": "csv",
        "text/html": "html",
        "text/markdown": "md",
        "text/plain": "txt",
    }.items(),
)
@pytest.mark.parametrize("client", ["chat", "responses", "messages"])
def test_documents_of_every_client_dialect_are_converted(client: str, media_type: str, kind: str) -> None:
    data = base64.b64encode(b"words").decode()
    url = f"data:{media_type};base64,{data}"
    source = {"type": "base64", "media_type": media_type, "data": data}
    documents: dict[str, dict[str, Any]] = {
        "chat": {"type": "file", "file": {"filename": "f", "file_data": url}},
        "responses": {"type": "input_file", "filename": "f", "file_data": url},
        "messages": {"type": "document", "title": "f", "source": source},
    }
    said = {"role": "user", "content": [documents[client]]}
    read = loader.client(client).read_request({"model": "m", "messages": [said], "input": [said]})
    document = written(read.request)["messages"][0]["content"][0]["document"]
    assert document == {"format": kind, "name": "f", "source": {"bytes": data}}


def test_a_file_without_a_type_gets_it_from_its_name() -> None:
    for data in ("AAAA", "data:application/octet-stream;base64,AAAA"):
        file = {"type": "file", "file": {"filename": "Q3.xlsx", "file_data": data}}
        request = loader.client("chat").read_request({"messages": [{"role": "user", "content": [file]}]}).request
        assert written(request)["messages"][0]["content"][0]["document"]["format"] == "xlsx"


@pytest.mark.parametrize("vendor", ["chat", "messages", "gemini"])
def test_office_files_are_rejected_by_name_for_other_vendors(vendor: str) -> None:
    request = Request((Message("user", (Document(Inline("application/msword", "AAAA")),)),))
    with pytest.raises(UnsupportedFeature, match="application/msword"):
        loader.vendor(vendor).write_request(request, Target("m"))

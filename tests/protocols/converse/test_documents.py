"""Clients' documents sent to Converse, which reads more formats than other vendors."""

from typing import Any

import pytest

from nexus.conversation.parts import Document, Inline, Message, Request
from nexus.errors import UnsupportedFeature
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.protocols.converse.write_request import write_request


def written(request: Request) -> Any:
    return write_request(request, Target("us.amazon.nova-pro-v1:0")).body


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

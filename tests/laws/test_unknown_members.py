"""What a reader does not know reaches nobody: it is refused, or its name is reported as dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from operator import getitem
from typing import Any

import pytest

from nexus.errors import ClientError
from nexus.protocols import loader
from tests.laws.rich import RICH, places
from tests.protocols.sent import PLAIN, SENT

FREE = {"args", "input", "inputSchema", "json", "labels", "logit_bias", "metadata", "parameters", "properties"}
FREE |= {"input_schema", "parametersJsonSchema", "requestMetadata", "response", "responseJsonSchema", "schema"}
FREE |= {"additionalModelRequestFields", "responseSchema", "web_search_options", "partMetadata"}
"""Objects that belong to the client, or whose members pass as they are."""


def objects(value: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    yield (), value
    for path in places(value):
        held = reduce(getitem, path, value)
        if isinstance(held, dict) and FREE.isdisjoint(path):
            yield path, held


@pytest.mark.parametrize("client", sorted(SENT))
def test_no_unknown_member_is_lost_without_a_word(client: str) -> None:
    read, silent = loader.client(client).read, []
    for body in (RICH[client], *({**PLAIN[client], name: value} for name, value in SENT[client].items())):
        copied = json.loads(json.dumps(body))
        for path, held in list(objects(copied)):
            held["novelty"] = {"a": 1}
            names = tuple(key for key in path if isinstance(key, str))
            whole = {".".join(names[:end]) for end in range(1, len(names) + 1)}
            with suppress(ClientError):
                if not any("novelty" in name or name in whole for name in read(copied).dropped):
                    silent.append(".".join(names))
            del held["novelty"]
    assert silent == [], silent

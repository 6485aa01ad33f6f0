"""Embeddings, as OpenAI's SDKs ask for them: one vector for one text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from nexus.cli.smoke.chat import Chat
from nexus.cli.smoke.dialect import Answer, Body, Spent, demand
from nexus.wire import Json, count, mapping, sequence, text


class Embeddings(Chat):
    """Of the chat dialect it shares how a caller's key is carried."""

    name: ClassVar[str] = "embeddings"
    path: ClassVar[str] = "/v1/embeddings"
    lists_models: ClassVar[bool] = False
    talks: ClassVar[bool] = False
    # What passes from OpenAI's own servers names the vendor's model.
    names_model: ClassVar[bool] = False

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        return {"model": model, "input": content, "encoding_format": "float"}

    def read(self, document: Json) -> Answer:
        document = mapping(document)
        data = [mapping(entry) for entry in sequence(document.get("data"))]
        demand(document.get("object") == "list" and len(data) == 1, "the answer is not a list of one embedding")
        vector = sequence(data[0].get("embedding"))
        demand(vector and all(isinstance(number, int | float) for number in vector), "the embedding has no numbers")
        usage = mapping(document.get("usage"))
        spent = Spent(count(usage.get("prompt_tokens")), 0) if usage else None
        return Answer(text(document.get("model")), f"{len(vector)} numbers", False, (), spent, {})

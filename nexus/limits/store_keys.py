"""Names of quotas, built from ids that callers choose.

Pure and injective: different ids give different keys, whatever characters they hold, except that ids of more than
``MAX_ID`` encoded characters are replaced by their SHA-256. The part in braces is a Redis Cluster hash tag, and the
same in all keys of one decision.
"""

from __future__ import annotations

import functools
import hashlib
from urllib.parse import quote

MAX_ID = 200


@functools.lru_cache(4096)
def encode_id(text: str) -> str:
    """Letters, digits, ``_.-~`` and ``%`` only, or ``#`` and a digest."""
    raw = text.encode("utf-8", "surrogatepass")
    encoded = quote(raw, safe="")
    return encoded if len(encoded) <= MAX_ID else f"#{hashlib.sha256(raw).hexdigest()}"


@functools.lru_cache(4096)
def spending_tag(client: str, provider: str) -> str:
    return f"{{t:{encode_id(client)}:{encode_id(provider)}}}"


def scope_of(model: str | None, dimension: str, interval: int) -> str:
    """What follows the tag. Without a model, all models of the provider count together, as ``*``, which no id encodes
    to.
    """
    scope = "*" if model is None else encode_id(model)
    return f":{scope}:{dimension}:{interval}"


def calls_key(tag: str, who: str, interval: int) -> str:
    """The key that counts requests. ``tag`` is shared by all quotas that are decided together."""
    return f"{{r:{tag}}}:{who}:{interval}"


def tag_of(key: str) -> str:
    """The part of a key that determines its slot in a cluster."""
    return key.partition("{")[2].partition("}")[0]

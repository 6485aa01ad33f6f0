"""``python -m tools.docs.features``: the table of features that survive translation, for docs/vendors.rst.

Generated from the codecs' tables, like docs/translation.rst; the page has it between two markers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tools.docs.dispositions import VENDORS, WRITES, aligned

FEATURES: Mapping[str, str] = {
    "system": "system text",
    "messages": "turns, images, documents",
    "tools": "tools",
    "tool_choice": "tool choice",
    "parallel_tools": "parallel calls on/off",
    "thinking": "thinking",
    "output_format": "structured output",
    "max_tokens": "output limit",
    "stop": "stop sequences",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "presence_penalty": "penalties",
    "seed": "seed",
    "logit_bias": "logit_bias",
    "user": "user",
    "metadata": "metadata",
    "service_tier": "service tier",
    "stream": "streams",
}
"""User-facing names of a request's neutral fields."""


def features() -> str:
    """The table as reStructuredText."""
    rows = [[words, *(WRITES[vendor][field].kind for vendor in VENDORS)] for field, words in FEATURES.items()]
    return "\n".join(aligned(["Feature", *VENDORS.values()], rows))


if __name__ == "__main__":
    sys.stdout.write(features())

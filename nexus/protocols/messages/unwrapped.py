"""A Messages body as the hosts of Claude accept it: with their own version, betas as a member, and without a model.

Source: Vertex AI's ``rawPredict`` and Bedrock's ``InvokeModel`` in Anthropic's documentation and SDKs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nexus.late import pattern
from nexus.protocols.checks import an_array, wrong
from nexus.protocols.dialect import Asked
from nexus.protocols.rewrite import REMOVE, Rules, cut, rewrite
from nexus.wire import Json, encode

_BETAS = "anthropic-beta"
_BETA = pattern(r"[!-+\--~]{1,128}")
_MOST_BETAS = 64
_HOSTS = ("anthropic_version", "anthropic_beta")


def unwrapped(asked: Asked, members: Mapping[str, Json], place: str | None = None) -> Asked:
    """The request as Anthropic's own API accepts it: ``members`` are from the path, and override those of the body.
    Every other byte is unchanged. Raises InvalidRequest."""
    document = asked.document
    betas = ",".join(filter(None, [asked.headers.get(_BETAS), *_betas(document)]))
    gone = {*_HOSTS, *members} & document.keys()
    rules: Rules = dict.fromkeys(gone, lambda _: REMOVE)
    front = b",".join(encode(name) + b":" + encode(value) for name, value in members.items())
    return replace(
        asked,
        body=rewrite(asked.body, rules, lambda: front) if members else cut(asked.body, rules),
        document={**{name: value for name, value in document.items() if name not in gone}, **members},
        headers={**asked.headers, _BETAS: betas} if betas else asked.headers,
        # It belongs to another API.
        query="",
        place=place,
    )


def _betas(document: Mapping[str, Json]) -> Iterator[str]:
    """The betas that are valid in a header. Raises InvalidRequest."""
    named = document.get("anthropic_beta")
    betas = an_array(named, "anthropic_beta") if named is not None else []
    if len(betas) > _MOST_BETAS:
        raise wrong("anthropic_beta", f"an array of at most {_MOST_BETAS}")
    for at, beta in enumerate(betas):
        if not isinstance(beta, str) or not _BETA.fullmatch(beta):
            raise wrong(f"anthropic_beta.{at}", "the name of a beta")
        yield beta

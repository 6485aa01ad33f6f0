"""Turns a Messages request into a body for InvokeModel, or for CountTokens.

Pure; the client's bytes are spliced, never serialized again. ``model`` and ``stream`` move into the path, betas move
from the header into the body, and fields that the model rejects according to ``claude`` are removed and reported.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import partial

from nexus.dataclasses import dataclass, field
from nexus.errors import InvalidRequest
from nexus.models.names import ClaudeName
from nexus.protocols.checks import Drops
from nexus.protocols.messages.hosted import NOTHING, Extra, betas_in, fit_host, readable
from nexus.protocols.messages.hosted_server_tools import without_server_tools
from nexus.protocols.messages.hosted_thinking import fit_thinking
from nexus.protocols.rewrite import ANY, REMOVE, Edited, Judge, Rules, judging, remove, rewrite
from nexus.providers.bedrock.claude import BETAS, EDITS, FIELDS, IMPLIED, KNOWN, RENAMED, Field, claude_of, profile
from nexus.wire import Json, count, decode, encode, mapping, sequence, text

ANTHROPIC_VERSION = "bedrock-2023-05-31"
_MOVED = ("model", "stream", "anthropic_version")


@dataclass(slots=True)
class _Draft:
    """What one request needs and loses, in the order of discovery; ``asked`` are the betas in its body."""

    answers: bool
    drops: Drops
    betas: dict[str, None] = field(default_factory=dict)
    asked: list[Json] = field(default_factory=list)


def invoke_body(
    raw: bytes,
    model: str,
    betas: str,
    members: Mapping[str, bytes] | None = None,
    extra: Extra = NOTHING,
    *,
    answers: bool = True,
) -> Edited:
    """The body for InvokeModel. ``betas`` is the client's header; ``members`` are added to the body.

    Raises InvalidRequest for a field whose removal would change the answer, if ``answers``.
    """
    claude, takes = claude_of(model), profile(model)
    fitted = fit_host(raw, extra, KNOWN, takes_systems=takes.system_role).then(without_server_tools)
    fitted = fitted.then(partial(fit_thinking, claude=takes))
    draft = _Draft(answers, Drops(fitted.dropped))

    def first() -> bytes:
        # By now the walk has read the betas in the body, and found the fields that need one.
        for beta in betas_in(betas, draft.asked):
            _judge_beta(beta, claude, draft, extra)
        front = {"anthropic_version": encode(ANTHROPIC_VERSION), **(members or {})}
        if draft.betas:
            front["anthropic_beta"] = encode(list(draft.betas))
        return b",".join(encode(name) + b":" + value for name, value in front.items())

    body = rewrite(fitted.body, _rules(fitted.body, claude, draft, extra), first)
    return Edited(body, draft.drops.names)


def count_invoke_body(raw: bytes, model: str, betas: str, max_tokens: int, extra: Extra = NOTHING) -> Edited:
    """CountTokens validates the body against InvokeModel's schema, which requires ``max_tokens`` above a thinking
    budget.
    """
    document = mapping(decode(raw))
    least = count(mapping(document.get("thinking")).get("budget_tokens")) + max_tokens
    members = {} if "max_tokens" in document else {"max_tokens": encode(least)}
    body, dropped = invoke_body(raw, model, betas, members, extra, answers=False)
    return Edited(encode({"input": {"invokeModel": {"body": base64.b64encode(body).decode()}}}), dropped)


def _judge_beta(beta: str, claude: ClaudeName, draft: _Draft, extra: Extra) -> None:
    if beta in extra.betas:
        draft.betas[beta] = None
        return
    taken = [name for name in RENAMED.get(beta, (beta,)) if name in BETAS and BETAS[name](claude)]
    for name in taken:
        draft.betas[name] = None
    if not taken and not (beta in IMPLIED and IMPLIED[beta](claude)):
        draft.drops.add(f"anthropic-beta={readable(beta)}")


def _rules(raw: bytes, claude: ClaudeName, draft: _Draft, extra: Extra) -> Rules:
    """This model's rules for the fields that occur in ``raw``."""
    judges: list[tuple[Sequence[str], Judge]] = [((name,), remove) for name in _MOVED]
    judges.append((("anthropic_beta",), partial(_read_betas, draft)))
    # Keys with escapes are rare, and only they require the walk to find out whether a field is present.
    escaped = b"\\u00" in raw
    for one in FIELDS:
        if one.path.replace(".*", "") in extra.fields:
            continue
        if escaped or encode(one.path.rpartition(".")[2]) in raw:
            judges.append((one.path.split("."), partial(_judge_field, one, claude, draft)))
    if escaped or b'"context_management"' in raw:
        judges.append((("context_management", "edits", ANY), partial(_judge_edit, claude, draft)))
    return judging(judges)


def _read_betas(draft: _Draft, value: bytes) -> bytes | None:
    draft.asked += sequence(decode(value))
    return REMOVE


def _judge_field(one: Field, claude: ClaudeName, draft: _Draft, value: bytes) -> bytes | None:
    if one.taken_by(claude):
        if one.beta is not None and BETAS[one.beta](claude):
            draft.betas[one.beta] = None
        return value.replace(*one.renamed) if one.renamed[0] else None
    if one.binds and draft.answers and decode(value):
        raise InvalidRequest.about(one.path, f"Extra inputs are not permitted ({claude.name} on Amazon Bedrock)")
    draft.drops.add(one.reported)
    return REMOVE


def _judge_edit(claude: ClaudeName, draft: _Draft, value: bytes) -> bytes | None:
    kind = text(mapping(decode(value)).get("type"))
    beta = EDITS.get(kind)
    if beta is not None and BETAS[beta](claude):
        draft.betas[beta] = None
        return None
    draft.drops.add("context_management.edits")
    return REMOVE

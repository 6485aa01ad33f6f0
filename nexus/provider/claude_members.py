"""What Claude Code sends to every host and the answer does not depend on: a host of Claude, or a server with the same
API, that rejects such a member or a beta by name gets requests without it.

Sources: 9router #1468, copilot-api #145 and #305, dotcraft #282, claude-code #51700; betas: new-api #2975 and #4911,
claude-code #53855, OpenRouter's words: cc-switch #1888.
"""

from __future__ import annotations

import re
from functools import partial

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.messages.hosted import betas_in
from nexus.provider.quirks import LearnedQuirks
from nexus.provider.rejected import UNKNOWN, Rejectable, quirk_about, with_rejected
from nexus.provider.request import ProviderRequest, Without

BETAS = "anthropic-beta"
_NO_METADATA = quirk_about("metadata")
_MEMBERS = Rejectable(
    (
        *("context_management", "diagnostics", "metadata", "service_tier", "speed", "thinking.display"),
        *("tools.*.eager_input_streaming", "tools.*.input_examples"),
        *(
            f"{at}.*.cache_control.{name}"
            for at in ("system", "tools", "messages.*.content")
            for name in ("scope", "ttl")
        ),
    )
)
_REJECTED_BETAS = "rejected betas: "
_REJECTS = pattern(rf"{UNKNOWN}|\bsupport", re.IGNORECASE)
_WRONG_USER = pattern(r"\buser_id\b.{0,40}\bdoes not match pattern")
"""DeepSeek's words about the JSON in which Claude Code names its session (awesome-deepseek-agent #67)."""


def without_rejected(refused: VendorFailure, request: ProviderRequest, learned: LearnedQuirks) -> Without | None:
    """How to retry without the members or betas that the error rejects; None if it names none."""
    if request.dialect != "messages" or refused.status != 400:
        return None
    wrong_user = _NO_METADATA if _WRONG_USER.search(refused.message) else None
    if (quirk := wrong_user or _MEMBERS.quirk_of(refused, request.body)) is not None:
        learn = partial(learned.record, request.model, quirk, "members are refused; they are left out")
        return Without(quirk, partial(with_rejected, quirks=frozenset({quirk})), learn, passed=True)
    betas = betas_in(request.headers.get(BETAS, ""), ()) if _REJECTS.search(refused.message) else []
    if named := [beta for beta in betas if beta in refused.message]:
        quirk = _REJECTED_BETAS + ", ".join(named)
        # Learned at once, because headers are no part of what is changed.
        learned.record(request.model, quirk, "betas are refused; they are left out")
        return Without(quirk, passed=True)
    return None


def with_accepted_betas(request: ProviderRequest, learned: LearnedQuirks) -> ProviderRequest:
    """The request without the betas that the model's server is known to reject."""
    quirks = [quirk for quirk in learned.quirks(request.model) if quirk.startswith(_REJECTED_BETAS)]
    if not quirks or BETAS not in request.headers:
        return request
    rejected = {beta for quirk in quirks for beta in quirk.removeprefix(_REJECTED_BETAS).split(", ")}
    kept = [beta for beta in betas_in(request.headers[BETAS], ()) if beta not in rejected]
    others = {name: value for name, value in request.headers.items() if name != BETAS}
    return replace(request, headers=others | ({BETAS: ",".join(kept)} if kept else {}))

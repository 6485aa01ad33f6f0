"""The headers that Nexus itself reads from clients and writes for them."""

GATEWAY_KEY = "x-nexus-key"
"""Carries a gateway key where ``Authorization`` is taken by a vendor login."""

UPSTREAM_KEY = "x-provider-api-key"
"""Carries a caller's own vendor key where a provider has ``forward_token``."""

STORED_PROVIDER = "x-nexus-provider"
"""Names the provider that keeps a stored answer, where there are several."""

TAGS = "x-nexus-tags"
"""Says what a call is for, such as ``project=web, feature=search``: for who looks at what was spent."""

CSRF = "x-nexus-csrf-protection"
"""What a page must send where ``server.csrf`` is on and names no other header."""

REQUEST_ID = "x-nexus-request-id"
UPSTREAM_REQUEST_ID = "x-nexus-upstream-request-id"
ERROR = "x-nexus-error"
"""The kind of an error of our own."""

ROUTE = "x-nexus-route"
ATTEMPTS = "x-nexus-attempts"
TRIED = "x-nexus-tried"
"""Each attempt's route and what came of it, where there were several."""

DROPPED = "x-nexus-dropped"
"""What of a request no vendor's field could say."""

AUTO_CACHE = "x-nexus-auto-cache"
"""Where the gateway put breakpoints of the prompt cache, for a client that sent none."""

ESTIMATED = "x-nexus-estimated"
"""Marks a count of tokens that is a guess."""

BUDGET_REMAINING = "x-nexus-budget-remaining-usd"
"""US dollars that are left of the tightest of the caller's budgets."""

LIMIT = "x-nexus-limit"
"""Marks rate limit headers, and a 429 that carries them, as ours and not the vendor's."""

"""Nexus's own request and response headers."""

GATEWAY_KEY = "x-nexus-key"
"""Carries a gateway key when ``Authorization`` carries a vendor login."""

UPSTREAM_KEY = "x-provider-api-key"
"""Carries a caller's own vendor key, for providers with ``forward_token``."""

STORED_PROVIDER = "x-nexus-provider"
"""Names the provider that stores an answer, if several could."""

TAGS = "x-nexus-tags"
"""Tags of a call for usage reports and budgets, such as ``project=web, feature=search``."""

CSRF = "x-nexus-csrf-protection"
"""Default of ``server.csrf.header_name``, the header that requests must have if ``server.csrf`` is enabled."""

REQUEST_ID = "x-nexus-request-id"
UPSTREAM_REQUEST_ID = "x-nexus-upstream-request-id"
ERROR = "x-nexus-error"
"""The kind of an error that Nexus itself reports."""

ROUTE = "x-nexus-route"
ATTEMPTS = "x-nexus-attempts"
TRIED = "x-nexus-tried"
"""Route and outcome of each attempt, if there were several."""

DROPPED = "x-nexus-dropped"
"""Request fields that translation dropped, because the vendor has no equivalent."""

AUTO_CACHE = "x-nexus-auto-cache"
"""Where Nexus added prompt cache breakpoints, for a client that sent none."""

ESTIMATED = "x-nexus-estimated"
"""Marks a token count as estimated."""

BUDGET_REMAINING = "x-nexus-budget-remaining-usd"
"""US dollars left in the caller's tightest budget."""

LIMIT = "x-nexus-limit"
"""Marks rate limit headers, and every 429 of a limit or a budget, as Nexus's and not the vendor's."""

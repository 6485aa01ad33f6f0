"""How to configure each client for a gateway: environment variables, and Codex's options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from nexus.dataclasses import dataclass
from nexus.headers import own
from nexus.settings import Settings
from nexus.settings.provider import ProviderSettings

NO_KEY = "not-used"
KEY_VARIABLE = "NEXUS_KEY"
"""Environment variable with the user's gateway key."""

GATEWAY_KEY = "YOUR-GATEWAY-KEY"
TOKEN = "YOUR-TOKEN"

_WINDOW = ("CLAUDE_CODE_MAX_CONTEXT_TOKENS", "CLAUDE_CODE_AUTO_COMPACT_WINDOW")
_OWN_CHECKS = {"CLAUDE_CODE_AUTO_MODE_SERVER": "0"}
"""With this, Claude Code checks tool calls with the model at once; without, it first reports that the vendor does
not."""

_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Access:
    """A gateway as a client sees it: ``base`` is its URL without a path, ``key`` the caller's gateway key."""

    settings: Settings
    base: str
    key: str

    @property
    def anthropic(self) -> str:
        """The base URL for Anthropic's clients."""
        return f"{reachable(self.base)}{self.settings.llm.paths['anthropic']}"

    @property
    def openai(self) -> str:
        """The base URL for OpenAI's clients."""
        return f"{reachable(self.base)}{self.settings.llm.paths['openai']}/v1"

    def takes_logins(self, dialect: str) -> bool:
        """Whether the login of a caller who uses this dialect is forwarded to a provider."""
        providers = self.settings.llm.providers.values()
        return any(provider.forwards_login and provider.login_dialect == dialect for provider in providers)


def missing_key(settings: Settings) -> str | None:
    """What to do for a caller without a credential; None if the gateway requires none."""
    if settings.server.keys:
        return f"this gateway requires a key: set {KEY_VARIABLE} to yours (nexus key new NAME makes one)"
    return f"this gateway requires a token: set {KEY_VARIABLE} to yours" if settings.server.oauth is not None else None


def reachable(base: str) -> str:
    """Returns the URL with a wildcard address such as 0.0.0.0 replaced by localhost, which clients can call."""
    parts = urlsplit(base)
    return f"{parts.scheme}://localhost:{parts.port}" if parts.hostname in _EVERYWHERE else base


def placeholder(settings: Settings) -> str:
    """Returns the placeholder for the caller's key in instructions."""
    if settings.server.keys:
        return GATEWAY_KEY
    return TOKEN if settings.server.oauth is not None else NO_KEY


def first_model(settings: Settings, *words: str, among: Sequence[str] | None = None) -> str:
    """Returns the first model whose name or vendor id contains one of ``words``, tried in order; else the first model,
    or "". ``among``: only these names, which may be virtual."""
    known = {
        f"{name}/{alias}": f"{provider.type}/{alias}/{model.rename}"
        for name, provider in settings.llm.providers.items()
        for alias, model in provider.models.items()
    }
    models = known if among is None else {name: known.get(name, name) for name in among}
    return next(
        (name for word in words for name, described in models.items() if word in described), next(iter(models), "")
    )


def claude_code(gateway: Access, large: str = "", small: str = "") -> dict[str, str]:
    """Returns Claude Code's variables. One model serves as both; without any, suitable ones are picked."""
    small = small or large or first_model(gateway.settings, "haiku", "sonnet", "claude")
    large = large or first_model(gateway.settings, "sonnet", "claude")
    if not gateway.takes_logins("messages"):
        credential = {"ANTHROPIC_AUTH_TOKEN": gateway.key}
    else:
        # A gateway token would take the header in which Claude Code sends its own login.
        credential = {} if gateway.key == NO_KEY else {"ANTHROPIC_CUSTOM_HEADERS": f"{own.GATEWAY_KEY}: {gateway.key}"}
    models = {"ANTHROPIC_MODEL": large, "ANTHROPIC_DEFAULT_HAIKU_MODEL": small}
    context = gateway.settings.llm.context_of(large)
    window = {name: str(context) for name in _WINDOW if context}
    table = gateway.settings.llm.providers.get(large.partition("/")[0])
    checks = _OWN_CHECKS if table and not _checks_calls(table) else {}
    return {"ANTHROPIC_BASE_URL": gateway.anthropic, **credential, **models, **window, **checks}


def _checks_calls(provider: ProviderSettings) -> bool:
    """Whether this vendor can do the checks of Claude Code's auto mode, which are requested with ``safeguards``."""
    return provider.type == "anthropic" or "safeguards" in getattr(provider, "fields", ())


def codex(gateway: Access, model: str = "") -> tuple[dict[str, str], list[str]]:
    """Returns Codex's variables and command line options; ``model`` defaults to the first model."""
    has_key = gateway.key != NO_KEY
    if gateway.takes_logins("responses"):
        # Codex then requires its own login and sends it; the gateway key goes into a separate header.
        extra = f', env_http_headers = {{ "{own.GATEWAY_KEY}" = "{KEY_VARIABLE}" }}' if has_key else ""
        credential = f", requires_openai_auth = true{extra}"
    else:
        credential = f', env_key = "{KEY_VARIABLE}"' if has_key else ""
    table = f'{{ name = "Nexus", base_url = {json.dumps(gateway.openai)}, wire_api = "responses"{credential} }}'
    model = model or first_model(gateway.settings)
    context = gateway.settings.llm.context_of(model)
    window = ["-c", f"model_context_window={context}"] if context else []
    options = ["-c", "model_provider=nexus", "-c", f"model_providers.nexus={table}", *window, "-m", model]
    return ({KEY_VARIABLE: gateway.key} if has_key else {}), options


def openai_sdk(gateway: Access) -> dict[str, str]:
    return {"OPENAI_BASE_URL": gateway.openai, "OPENAI_API_KEY": gateway.key}


def anthropic_sdk(gateway: Access) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": gateway.anthropic, "ANTHROPIC_API_KEY": gateway.key}

"""What each client is to be given so that it speaks to a gateway: environment variables, and Codex's options."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from nexus.dataclasses import dataclass
from nexus.headers import own
from nexus.settings import Settings

NO_KEY = "not-used"
GATEWAY_KEY = "YOUR-GATEWAY-KEY"
TOKEN = "YOUR-TOKEN"

_WINDOW = ("CLAUDE_CODE_MAX_CONTEXT_TOKENS", "CLAUDE_CODE_AUTO_COMPACT_WINDOW")
_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway as a client sees it: ``base`` is its URL without a path, ``key`` the caller's gateway key."""

    settings: Settings
    base: str
    key: str

    @property
    def anthropic(self) -> str:
        """The URL that Anthropic's clients take."""
        return f"{reachable(self.base)}{self.settings.llm.paths['anthropic']}"

    @property
    def openai(self) -> str:
        """The URL that OpenAI's clients take."""
        return f"{reachable(self.base)}{self.settings.llm.paths['openai']}/v1"

    def takes_logins(self, dialect: str) -> bool:
        """Whether the own login of a caller who speaks a dialect goes on to a provider."""
        providers = self.settings.llm.providers.values()
        return any(provider.forwards_login and provider.login_dialect == dialect for provider in providers)


def reachable(base: str) -> str:
    """The same server by a name that a client on this machine can call; an address for "everywhere" is none."""
    parts = urlsplit(base)
    return f"{parts.scheme}://localhost:{parts.port}" if parts.hostname in _EVERYWHERE else base


def placeholder(settings: Settings) -> str:
    """What stands for a caller's key in a text."""
    if settings.server.keys:
        return GATEWAY_KEY
    return TOKEN if settings.server.oauth is not None else NO_KEY


def first_model(settings: Settings, *words: str) -> str:
    """The first model whose name or vendor's id holds a word, or else the first of all."""
    models = {
        f"{name}/{alias}": f"{provider.type}/{alias}/{model.rename}"
        for name, provider in settings.llm.providers.items()
        for alias, model in provider.models.items()
    }
    return next(
        (name for word in words for name, described in models.items() if word in described), next(iter(models), "")
    )


def claude_code(gateway: Gateway, large: str = "", small: str = "") -> dict[str, str]:
    """The variables of Claude Code; of models that are not named those that suit it best."""
    large = large or first_model(gateway.settings, "sonnet", "claude")
    small = small or first_model(gateway.settings, "haiku", "sonnet", "claude")
    if not gateway.takes_logins("messages"):
        credential = {"ANTHROPIC_AUTH_TOKEN": gateway.key}
    else:
        # A token of the gateway's would stand where Claude Code puts its own login.
        credential = {} if gateway.key == NO_KEY else {"ANTHROPIC_CUSTOM_HEADERS": f"{own.GATEWAY_KEY}: {gateway.key}"}
    models = {"ANTHROPIC_MODEL": large, "ANTHROPIC_DEFAULT_HAIKU_MODEL": small}
    window = {name: str(size) for name in _WINDOW if (size := _context(gateway.settings, large))}
    return {"ANTHROPIC_BASE_URL": gateway.anthropic, **credential, **models, **window}


def _context(settings: Settings, model: str) -> int | None:
    """The tokens that a model takes, where the settings say it."""
    provider, _, alias = model.partition("/")
    table = settings.llm.providers.get(provider)
    found = table.models.get(alias) if table else None
    return found.context if found else None


def codex(gateway: Gateway, model: str = "") -> tuple[dict[str, str], list[str]]:
    """The variables and the options of Codex, with the first model where none is named."""
    has_key = gateway.key != NO_KEY
    if gateway.takes_logins("responses"):
        # Codex asks for its login then, and sends it; the gateway's key comes beside it.
        beside = f', env_http_headers = {{ "{own.GATEWAY_KEY}" = "NEXUS_KEY" }}' if has_key else ""
        asked = f", requires_openai_auth = true{beside}"
    else:
        asked = ', env_key = "NEXUS_KEY"' if has_key else ""
    table = f'{{ name = "Nexus", base_url = {json.dumps(gateway.openai)}, wire_api = "responses"{asked} }}'
    options = ["-c", "model_provider=nexus", "-c", f"model_providers.nexus={table}", "-m"]
    options.append(model or first_model(gateway.settings))
    return ({"NEXUS_KEY": gateway.key} if has_key else {}), options


def openai_sdk(gateway: Gateway) -> dict[str, str]:
    """The variables of OpenAI's SDKs."""
    return {"OPENAI_BASE_URL": gateway.openai, "OPENAI_API_KEY": gateway.key}


def anthropic_sdk(gateway: Gateway) -> dict[str, str]:
    """The variables of Anthropic's SDKs."""
    return {"ANTHROPIC_BASE_URL": gateway.anthropic, "ANTHROPIC_API_KEY": gateway.key}

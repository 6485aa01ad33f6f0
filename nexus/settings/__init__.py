"""The settings of Nexus: ``nexus.toml`` as typed, closed, frozen values.

One file per concern. Code that needs a setting takes its table as an argument; only ``load`` reads files and the
environment. Secrets are ``SecretStr``; call ``get_secret_value`` only at the place of use.
"""

from nexus.settings.attempts import Retries, Timeouts
from nexus.settings.listen import ListenAddress
from nexus.settings.llm import LlmSettings, Protocols
from nexus.settings.load import demo_settings, load, located
from nexus.settings.model import ModelSettings
from nexus.settings.problems import Problem, SettingsError
from nexus.settings.provider import ProviderSettings
from nexus.settings.root import Settings
from nexus.settings.secrets import secrets
from nexus.settings.server import ServerSettings
from nexus.settings.types import Duration, Size, Table

__all__ = [
    "Duration",
    "ListenAddress",
    "LlmSettings",
    "ModelSettings",
    "Problem",
    "Protocols",
    "ProviderSettings",
    "Retries",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "Size",
    "Table",
    "Timeouts",
    "demo_settings",
    "load",
    "located",
    "secrets",
]

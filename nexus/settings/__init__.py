"""The settings of Nexus: ``nexus.toml`` as typed, closed, frozen values.

One file per concern. Code that needs a setting takes its table as an argument; only ``load`` reads files and the
environment. Secrets are ``SecretStr``; call ``get_secret_value`` only at the place of use.
"""

from nexus.settings.listen import ListenAddress as ListenAddress
from nexus.settings.llm import Protocols as Protocols
from nexus.settings.load import demo_settings as demo_settings
from nexus.settings.load import load as load
from nexus.settings.load import located as located
from nexus.settings.model import ModelSettings as ModelSettings
from nexus.settings.problems import Problem as Problem
from nexus.settings.problems import SettingsError as SettingsError
from nexus.settings.provider import ProviderSettings as ProviderSettings
from nexus.settings.root import Settings as Settings
from nexus.settings.secrets import secrets as secrets
from nexus.settings.server import ServerSettings as ServerSettings
from nexus.settings.types import Table as Table

"""``forward_login``: forwards the caller's own vendor login to the vendor, and to no other host.

The login is used under the caller's own terms with the vendor; Nexus stores nothing of it.
"""

from collections.abc import Iterator
from typing import ClassVar

from nexus.settings.auth_scheme import AUTHORIZATION, AuthSchemeSettings
from nexus.settings.types import Location, Table
from nexus.settings.urls import host_of


class _Login(Table):
    forward_login: bool | str = False
    """Forward the caller's own login (Authorization: Bearer; of claude.ai, or of Codex at ChatGPT) to the vendor in
    place of api_key, under the caller's own terms with the vendor. Callers then send their gateway key in x-nexus-key
    or Proxy-Authorization. With your own base_url: its host instead of true."""


# The last base's fields come first, so that the check of api_key can read them.
class LoginSettings(AuthSchemeSettings, _Login):
    """A provider whose vendor has logins. ``login_url`` is the base URL that accepts them, ``login_dialect`` the
    dialect of the clients that send them."""

    key_sources: ClassVar[tuple[str, ...]] = (*AuthSchemeSettings.key_sources, "forward_login")
    login_url: ClassVar[str]

    @property
    def forwards_login(self) -> bool:
        return bool(self.forward_login)

    @property
    def takes_callers_key(self) -> bool:
        return self.forward_token or bool(self.forward_login)

    def problems(self) -> Iterator[Location]:
        if not self.forward_login:
            return
        url, home = self.base_url or self.login_url, host_of(self.login_url)
        host = host_of(url)
        allowed = home if self.forward_login is True else self.forward_login.strip().lower()
        if allowed != host:
            yield ("forward_login",), f'sends logins to a host other than {home}; to allow it, name the host: "{host}"'
        if host == home and not url.startswith("https://"):
            yield ("forward_login",), f"sends logins to {home} unencrypted; base_url must begin with https://"
        text = "overwrites authorization, which carries the callers' logins (forward_login)"
        yield from ((place, text) for place in self.rules_on(AUTHORIZATION))

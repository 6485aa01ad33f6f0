"""``[server.dashboard]``: the page that shows what the gateway does."""

from nexus.settings.types import BasePath, Table


class DashboardSettings(Table):
    """``[server.dashboard]``."""

    enabled: bool | None = None
    """Whether Nexus serves the page. By default it does where only this machine can reach it."""

    path: BasePath = "/"
    """Where browsers get it; the data it shows is at ``dashboard/data`` beside it."""

    @property
    def data_path(self) -> str:
        """Where the page asks for what it shows."""
        return f"{self.folder}dashboard/data"

    @property
    def folder(self) -> str:
        """What addresses in the page are relative to."""
        return self.path.rpartition("/")[0] + "/"

"""The documentation as a site: ``python -m sphinx -W -b html docs build/docs``."""

from nexus import __version__

project = "Nexus"
copyright = "the authors of Nexus"
version = release = __version__
html_theme = "furo"
html_title = f"Nexus {__version__}"
html_copy_source = False
exclude_patterns = ["build"]
nitpicky = True

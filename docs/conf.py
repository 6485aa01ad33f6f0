"""The documentation as a site: ``python -m sphinx -W -b html docs build/docs``."""

import json
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from nexus import __version__  # noqa: E402
from nexus.settings.schema import json_schema  # noqa: E402
from tools.docs.reference import reference  # noqa: E402

project = "Nexus"
copyright = "the authors of Nexus"
version = release = __version__
html_theme = "furo"
html_title = f"Nexus {__version__}"
html_copy_source = False
html_extra_path = ["nexus.schema.json"]
nitpicky = True

# Made here rather than kept: they are what the settings say of themselves.
(HERE / "settings.rst").write_text(reference())
(HERE / "nexus.schema.json").write_text(json.dumps(json_schema(), indent=1))


def link_pages(app: Sphinx, tree: nodes.document) -> None:
    """A link to the file of a page, as GitHub follows it, leads to the page here."""
    for link in tree.findall(nodes.reference):
        name, dot, anchor = link.get("refuri", "").partition(".rst")
        if dot and (HERE / f"{name}.rst").is_file():
            link["refuri"] = f"{name}.html{anchor}"


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", link_pages)

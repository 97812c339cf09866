"""How Sphinx builds these pages: ``python -m sphinx -W --keep-going -b html docs build/docs``, without any network.

The pages are Markdown; what the code knows better than a page could (settings, models, services, …) is written by the
extension in ``docs.generated`` as the pages are read.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The extension, and the package that it reads, are found wherever Sphinx is started.
sys.path.insert(0, str(ROOT))

from docs.generated.project import set_up  # noqa: E402 - as above

# Before Sphinx imports the extension, which imports models.
set_up()

project = "django-cors-guard"
author = "the authors of django-cors-guard"
language = "en"

extensions = ["myst_parser", "docs.generated.extension"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["screenshots/**"]

# Links such as moving-in.md#the-way-back: to headings, by their words, as on GitHub.
myst_heading_anchors = 4
# The pages have the quotes and dashes that they mean, and two hyphens are an option.
smartquotes = False

nitpicky = True
# Types in signatures link to what is described here, and are plain text otherwise.
nitpick_ignore_regex = [(r"py:(class|exc|obj|data)", r".*")]

html_theme = "furo"
html_title = "django-cors-guard"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False

"""The extension of Sphinx that writes what the code knows better than a page could, as the pages are read.

A page says ``<!-- generated: settings -->`` where it wants the Markdown of a part; a part that does not exist is a
warning, and so the build fails. It needs Django set up, and no database.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from docs.generated import api, checks, codes, command, exceptions, models, project, services, settings, signals

PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings.describe,
    "models": models.describe,
    "services": services.describe,
    "exceptions": exceptions.describe,
    "api": api.describe,
    "command": command.describe,
    "checks": checks.describe,
    "reasons": codes.describe_reasons,
    "codes": codes.describe_others,
    "signals": signals.describe,
}

_PLACE: Final = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
logger: Final = logging.getLogger(__name__)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension with Sphinx."""
    app.connect("source-read", _fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill_in(app: Sphinx, docname: str, content: list[str]) -> None:
    if not _PLACE.search(content[0]):
        return
    # The code may have changed where the page has not.
    app.env.note_reread()
    content[0] = _PLACE.sub(lambda place: _write(place[1], docname), content[0])


def _write(part: str, docname: str) -> str:
    if part not in PARTS:
        logger.warning("there is no part %r; there are: %s", part, ", ".join(PARTS), location=docname)
        return ""
    return project.in_english(PARTS[part])

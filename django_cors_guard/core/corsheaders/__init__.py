"""From django-cors-headers and back: its settings as a policy document, and a document as its settings.

Nothing in here runs a project's regular expressions: they are read, and what is not plainly an origin, a subdomain
pattern or a path prefix is refused with the reason.
"""

from __future__ import annotations

from django_cors_guard.core.corsheaders.fitting import fit
from django_cors_guard.core.corsheaders.lines import Line, Translation, Verdict
from django_cors_guard.core.corsheaders.translation import translate
from django_cors_guard.core.corsheaders.writing import Settings, write_settings

__all__ = ["Line", "Settings", "Translation", "Verdict", "fit", "translate", "write_settings"]

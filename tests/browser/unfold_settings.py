"""The example project under django-unfold's admin site."""

from tests.browser.strict_settings import *  # noqa: F403 - settings modules are made to be extended so
from tests.browser.strict_settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = ["unfold", *INSTALLED_APPS]
# Unfold's own pages are full of inline scripts and styles.
MIDDLEWARE = [name for name in MIDDLEWARE if "content_policy" not in name]

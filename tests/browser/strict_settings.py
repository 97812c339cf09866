"""The example project as the desk's browser tests serve it: a strict Content-Security-Policy on every answer."""

from example_project.settings import *  # noqa: F403 - settings modules are made to be extended so
from example_project.settings import MIDDLEWARE

DEBUG = False
ROOT_URLCONF = "tests.browser.urls"
# The guard stays first, as everywhere.
MIDDLEWARE = [MIDDLEWARE[0], "tests.browser.content_policy.ContentPolicyMiddleware", *MIDDLEWARE[1:]]

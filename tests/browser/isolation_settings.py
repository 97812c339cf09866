"""The example project with the views of ``isolation_site``."""

from example_project.settings import *  # noqa: F403 - settings modules are made to be extended so

DEBUG = False
ROOT_URLCONF = "tests.browser.isolation_site"

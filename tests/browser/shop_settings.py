"""The example project with the shop of the tests, whose cookies go to other sites, too."""

from example_project.settings import *  # noqa: F403 - settings modules are made to be extended so

DEBUG = False
ROOT_URLCONF = "tests.shop"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

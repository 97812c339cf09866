"""A project whose REST framework defaults contradict everything that the API relies on, save authentication."""

from typing import Any, NoReturn

from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import FormParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import StaticHTMLRenderer
from rest_framework.throttling import BaseThrottle
from rest_framework.versioning import BaseVersioning

from tests.settings import *  # noqa: F403 - a project's settings on top of the suite's


def _break(*args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError("a default of the project was asked")


class Negotiation(BaseContentNegotiation):
    select_parser = select_renderer = _break


class Permission(BasePermission):
    has_permission = has_object_permission = _break


class Throttle(BaseThrottle):
    allow_request = _break


class Versioning(BaseVersioning):
    determine_version = _break


class Pagination(PageNumberPagination):
    paginate_queryset = get_paginated_response = _break


class Metadata(BaseMetadata):
    determine_metadata = _break


class FilterBackend:
    filter_queryset = _break


class Renderer(StaticHTMLRenderer):
    render = _break


class Parser(FormParser):
    parse = _break


class Schema:
    def __init__(self) -> None:
        _break()


REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [Renderer],
    "DEFAULT_PARSER_CLASSES": [Parser],
    "DEFAULT_PERMISSION_CLASSES": [Permission],
    "DEFAULT_THROTTLE_CLASSES": [Throttle],
    "DEFAULT_THROTTLE_RATES": {"user": "1/day", "anon": "0/day"},
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": Negotiation,
    "DEFAULT_METADATA_CLASS": Metadata,
    "DEFAULT_VERSIONING_CLASS": Versioning,
    "DEFAULT_VERSION": "9",
    "ALLOWED_VERSIONS": ["9"],
    "VERSION_PARAM": "pk",
    "DEFAULT_PAGINATION_CLASS": Pagination,
    "DEFAULT_FILTER_BACKENDS": [FilterBackend],
    "DEFAULT_SCHEMA_CLASS": Schema,
    "EXCEPTION_HANDLER": _break,
    "PAGE_SIZE": 1,
    "SEARCH_PARAM": "origin",
    "ORDERING_PARAM": "reason",
    "NUM_PROXIES": 3,
    "NON_FIELD_ERRORS_KEY": "origin",
    "FORMAT_SUFFIX_KWARG": "pk",
    "URL_FORMAT_OVERRIDE": "origin",
    "URL_FIELD_NAME": "id",
    "COERCE_DECIMAL_TO_STRING": False,
    "COMPACT_JSON": False,
    "UNICODE_JSON": True,
    "STRICT_JSON": False,
    "DATETIME_FORMAT": "%d.%m.%Y",
    "DATETIME_INPUT_FORMATS": ["%d.%m.%Y"],
    "VIEW_NAME_FUNCTION": _break,
    "VIEW_DESCRIPTION_FUNCTION": _break,
    "HTML_SELECT_CUTOFF": 0,
}
FILTERS_DISABLE_HELP_TEXT = True
FILTERS_DEFAULT_LOOKUP_EXPR = "icontains"
FILTERS_EMPTY_CHOICE_LABEL = None
FILTERS_NULL_CHOICE_LABEL = "null"

LANGUAGES = [("de", "Deutsch"), ("en", "English")]
TIME_ZONE = "Pacific/Chatham"
USE_THOUSAND_SEPARATOR = True
USE_X_FORWARDED_HOST = False
CSRF_USE_SESSIONS = False

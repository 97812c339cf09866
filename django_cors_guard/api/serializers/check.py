"""What may be asked of ``explain``, and the whole story that it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from django_cors_guard.api.serializers.body import BodySerializer
from django_cors_guard.api.serializers.codes import (
    AnyIsolationField,
    AnyModeField,
    CsrfField,
    DifferenceField,
    OutcomeField,
    ReasonField,
    StatusField,
)
from django_cors_guard.api.serializers.fields import NameField, TextField, TimeField
from django_cors_guard.core.headers import MAX_METHOD_LENGTH, MAX_REQUEST_HEADERS, is_token
from django_cors_guard.core.isolation import split_metadata
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.explanation import Explanation
from django_cors_guard.services import find_environment
from django_cors_guard.wording import NULL_SOURCES, word_csrf, word_difference, word_reason

#: One more than a browser's Origin can have, for what is longer is malformed and may be asked about, too.
MAX_ORIGIN: Final = 600
MAX_PATH: Final = 2000
MAX_HEADER_NAME: Final = 255
MAX_HOST: Final = 260
MAX_SLUG: Final = 50

#: Fetch writes these in upper case, however the page does: https://fetch.spec.whatwg.org/#concept-method-normalize
_NORMALISED: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})


class TokenField(TextField):
    """A method or header name."""

    default_error_messages = {"no_token": _("Give a plain name: letters, digits, hyphens.")}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_token(text):
            self.fail("no_token")
        return text


class HeaderField(TokenField):
    """A header's name; with a colon its value, too, as browsers set Sec-Fetch-Site, -Mode and -Dest."""

    def to_internal_value(self, data: Any) -> str:
        text = TextField.to_internal_value(self, data)
        name, colon, value = text.partition(":")
        name = super().to_internal_value(name.strip())
        return f"{name}:{value}" if colon else name


class PathField(TextField):
    """The path of a request, decoded, as Django routes on it."""

    default_error_messages = {
        "no_path": _("Give the path alone, decoded and beginning with a slash, such as /api/public/hello."),
    }

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.startswith("/") or "?" in text or "#" in text:
            self.fail("no_path")
        return text


class CheckSerializer(BodySerializer):
    """One request of a page. Without ``environment`` it is the one that this process runs in.

    ``headers`` are names; browsers' own are given with their values, as in ``Sec-Fetch-Site: cross-site``. With that
    one ``origin`` may be null: a request without Origin, such as that of an image.
    """

    origin = TextField(max_length=MAX_ORIGIN, trim_whitespace=False)
    path = PathField(max_length=MAX_PATH)
    method = TokenField(max_length=MAX_METHOD_LENGTH, required=False, default="GET")
    headers = serializers.ListField(
        child=HeaderField(max_length=MAX_HEADER_NAME), required=False, max_length=MAX_REQUEST_HEADERS, default=list
    )
    host = TextField(max_length=MAX_HOST, required=False, allow_blank=True, allow_null=True, default=None)
    environment = NameField(find=find_environment, required=False, allow_null=True, default=None)

    def to_internal_value(self, data: Any) -> Any:
        # Elsewhere null is more likely a variable that nobody set than a question about images.
        self.fields["origin"].allow_null = _names_site(data.get("headers") if isinstance(data, Mapping) else None)
        return super().to_internal_value(data)

    def validate_method(self, method: str) -> str:
        """Write the method as browsers would."""
        return method.upper() if method.upper() in _NORMALISED else method


def _names_site(headers: Any) -> bool:
    lines = [line for line in headers if isinstance(line, str)] if isinstance(headers, list) else []
    return split_metadata(lines)[0].site is not None


class ScopedCheckSerializer(CheckSerializer):
    """As above, for those who may not view every environment: that there is one by that name is for the view to say."""

    environment = TextField(  # type: ignore[assignment]  # the bare name
        required=False, allow_null=True, max_length=MAX_SLUG, default=None
    )


class AnswerSerializer(serializers.Serializer[Any]):
    """What one request gets back. ``status`` is null where the view runs; ``headers`` are those that the guard sets."""

    reason = ReasonField()
    reason_text = serializers.SerializerMethodField()
    allowed = serializers.BooleanField()
    runs_view = serializers.BooleanField()
    status = serializers.SerializerMethodField()
    headers = serializers.SerializerMethodField()

    def get_reason_text(self, answer: Any) -> str:
        """Return what the reason code means."""
        return word_reason(answer.reason)

    def get_status(self, answer: Any) -> int | None:
        """Return the status of the guard's own answer."""
        return answer.status or None

    def get_headers(self, answer: Any) -> dict[str, str]:
        """Return the headers by name."""
        return dict(answer.headers)


class GrantSerializer(serializers.Serializer[Any]):
    """The row that decided."""

    id = serializers.IntegerField()
    origin = serializers.CharField()
    environment = serializers.CharField()
    api_group = serializers.CharField()
    status = StatusField()
    expires_at = TimeField(allow_null=True)
    revoked_at = TimeField(allow_null=True)
    revoked_by = serializers.CharField()
    revoke_reason = serializers.CharField()


class NearestSerializer(serializers.Serializer[Any]):
    """The nearest grant, and how what was asked about differs from it."""

    origin = serializers.CharField(source="candidate.origin")
    environment = serializers.CharField(source="candidate.environment")
    api_group = serializers.CharField(source="candidate.api_group")
    status = StatusField(source="candidate.status")
    by = serializers.CharField(source="candidate.by")
    at = TimeField(source="candidate.at", allow_null=True)
    difference = DifferenceField()
    difference_text = serializers.SerializerMethodField()

    def get_difference_text(self, nearest: Any) -> str:
        """Return the difference in words."""
        return word_difference(nearest.difference)


class ExplanationSerializer(serializers.Serializer[Explanation]):
    """The whole story of one origin on one path."""

    outcome = OutcomeField()
    reason = ReasonField()
    reason_text = serializers.SerializerMethodField()
    origin = serializers.CharField()
    has_origin = serializers.BooleanField()
    unicode = serializers.SerializerMethodField()
    method = serializers.CharField()
    path = serializers.CharField()
    host = serializers.CharField()
    environment = serializers.CharField()
    known_environment = serializers.BooleanField()
    revision = serializers.IntegerField()
    api_group = serializers.CharField()
    mode = AnyModeField()
    isolation = AnyIsolationField()
    route = serializers.SerializerMethodField()
    request = AnswerSerializer()
    preflight = AnswerSerializer(allow_null=True)
    grant = GrantSerializer(allow_null=True)
    nearest = NearestSerializer(allow_null=True)
    null_sources = serializers.SerializerMethodField()
    csrf = CsrfField()
    csrf_text = serializers.SerializerMethodField()

    def get_reason_text(self, explanation: Explanation) -> str:
        """Return what the reason code means."""
        return word_reason(explanation.reason)

    def get_csrf_text(self, explanation: Explanation) -> str:
        """Return what the list says to Django's CSRF check."""
        return word_csrf(explanation.csrf)

    def get_unicode(self, explanation: Explanation) -> str:
        """Return the origin with its international names spelt out."""
        parsed = parse_canonical(explanation.origin)
        return parsed.unicode if parsed is not None else explanation.origin

    def get_route(self, explanation: Explanation) -> dict[str, str] | None:
        """Return the route that matched; blank host: every host."""
        if not explanation.route:
            return None
        return {"host": explanation.route_host, "path_prefix": explanation.route}

    def get_null_sources(self, explanation: Explanation) -> list[dict[str, str]]:
        """Return where requests with the origin “null” come from."""
        return [{"code": source, "text": str(NULL_SOURCES.get(source, source))} for source in explanation.null_sources]

"""What lists can be narrowed by. Values mean exactly what they say, on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.db import connections
from django.db.models import CharField, F, Func, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django_filters import rest_framework as django_filters  # type: ignore[import-untyped]  # it ships no types
from rest_framework.request import Request

from django_cors_guard.api import parameters
from django_cors_guard.api.errors import (
    ErrorItem,
    InvalidInput,
    describe_bad_choice,
    describe_unknown_name,
    show,
)
from django_cors_guard.api.times import BadTime, parse_time
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models import Rejection, TrustedOrigin
from django_cors_guard.models.rejection import KIND_CHOICES, REASON_CHOICES
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.recorder import tidy_text
from django_cors_guard.services import find_api_group, find_environment, find_front_end

Read = Callable[[str], Any]


class Refused(forms.ValidationError):
    """A value that a filter cannot take, with the item that the answer lists for it."""

    def __init__(self, item: ErrorItem) -> None:
        super().__init__(item.text, code=item.code)
        self.item = item


class ReadField(forms.Field):
    """A form field whose value is what ``read`` makes of the text."""

    def __init__(self, *, read: Read, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read = read

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return self.read(value)
        except UnknownName as error:
            raise Refused(describe_unknown_name(error)) from error
        except BadTime as error:
            raise Refused(ErrorItem(error.code, str(error), value=show(value))) from error


class OneOfField(forms.Field):
    """A form field for one of a fixed list of codes."""

    def __init__(self, *, choices: Sequence[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = [code for code, _label in choices]

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        if value not in self.known:
            raise Refused(describe_bad_choice("", value, self.known))
        return value


class PlainFilter(django_filters.Filter):  # type: ignore[misc]  # as above
    """Compares for equality, where no other look-up is named: django-filter lets a project's settings choose that."""

    def __init__(self, *, lookup_expr: str = "exact", **kwargs: Any) -> None:
        super().__init__(lookup_expr=lookup_expr, **kwargs)


class ReadFilter(PlainFilter):
    """Compares with what ``read`` makes of the parameter."""

    field_class = ReadField


class OneOfFilter(PlainFilter):
    """Compares with one of ``choices``."""

    field_class = OneOfField


class ExactFilter(ReadFilter):
    """Compares texts byte by byte with one of those that ``read`` returns, also where the collation would not."""

    def filter(self, qs: QuerySet[Any], value: Sequence[str] | None) -> QuerySet[Any]:
        if value is None:
            return qs
        rows: QuerySet[Any] = qs.filter(**{f"{self.field_name}__in": value})
        if connections[rows.db].vendor != "mysql":
            return rows
        # MariaDB's usual collations ignore case and trailing spaces. The plain comparison stays, for its index.
        name = f"exact_{self.field_name}"
        exact: QuerySet[Any] = rows.alias(**{name: _Binary(F(self.field_name))}).filter(**{f"{name}__in": value})
        return exact


class _Binary(Func):
    function = "BINARY"
    template = "%(function)s %(expressions)s"
    output_field = CharField()


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # as above
    """A filter set that says what is wrong with its parameters in the API's shape."""

    def find_errors(self) -> list[ErrorItem]:
        """Return what is wrong with the values."""
        return [
            replace(error.item, field=name) if isinstance(error, Refused) else ErrorItem("invalid", str(error), name)
            for name, errors in self.form.errors.as_data().items()
            for error in errors
        ]


class StrictFilterBackend(django_filters.DjangoFilterBackend):  # type: ignore[misc]  # as above
    """Checks every parameter of a list, those of the page too, so that one answer names all that is wrong."""

    filterset_base = StrictFilterSet

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        given = request.query_params
        filterset = self.get_filterset(request, queryset, view)
        errors = parameters.find_errors(given, (*filterset.filters, *view.paginator.parameters))
        spoilt = {error.field for error in errors}
        values = [*filterset.find_errors(), *view.paginator.find_errors(given.dict())]
        errors += [error for error in values if error.field not in spoilt]
        if errors:
            raise InvalidInput(errors)
        narrowed: QuerySet[Any] = filterset.qs
        return narrowed


def _read_rejected_origin(text: str) -> list[str]:
    """Return what is stored for ``text``: as browsers send it, and as somebody else may have sent it."""
    parsed = parse_origin(text).origin
    spellings = [parsed.text, text] if parsed is not None else [text]
    return list(dict.fromkeys(tidy_text(spelling) for spelling in spellings))


def _read_trusted_origin(text: str) -> list[str]:
    parsed = parse_origin(text).origin
    return [parsed.text if parsed is not None else tidy_text(text)]


def _read_logged(column: str, find: Callable[[str], Any], own: Iterable[str] = ()) -> Read:
    """Return a reader of a slug that exists, or that only old rows still know: evidence outlives its group."""

    def read(text: str) -> list[str]:
        if text not in own:
            try:
                find(text)
            except UnknownName:
                # What is no printable ASCII is never stored, and not every database takes it.
                if text != tidy_text(text) or not Rejection.objects.filter(**{column: text}).exists():
                    raise
        return [text]

    return read


class RejectionFilterSet(StrictFilterSet):
    """Filters of the audit log. A rollup belongs to the moment it was last seen, so windows that adjoin share none."""

    environment = ExactFilter(read=_read_logged("environment", find_environment))
    api_group = ExactFilter(read=_read_logged("api_group", find_api_group, own=(OWN_GROUP,)))
    origin = ExactFilter(read=_read_rejected_origin)
    reason = OneOfFilter(choices=REASON_CHOICES)
    kind = OneOfFilter(choices=KIND_CHOICES)
    since = ReadFilter(field_name="last_seen", lookup_expr="gte", read=parse_time)
    until = ReadFilter(field_name="last_seen", lookup_expr="lt", read=parse_time)

    class Meta:
        model = Rejection
        fields: Final[list[str]] = []

    def find_errors(self) -> list[ErrorItem]:
        errors = super().find_errors()
        since, until = (self.form.cleaned_data.get(name) for name in ("since", "until"))
        if since is not None and until is not None and since > until:
            text = _("“since” lies after “until”, so nothing can be in between.")
            errors.append(ErrorItem("since_after_until", text, "since", show(self.data.get("since"))))
        return errors


class TrustedOriginFilterSet(StrictFilterSet):
    """Filters of the grants."""

    environment = ReadFilter(read=find_environment)
    api_group = ReadFilter(read=find_api_group)
    origin = ExactFilter(read=_read_trusted_origin)
    front_end = ReadFilter(read=find_front_end)
    status = OneOfFilter(choices=Status.choices, method="narrow_to_status")

    class Meta:
        model = TrustedOrigin
        fields: Final[list[str]] = []

    def narrow_to_status(self, rows: QuerySet[Any], name: str, status: str) -> QuerySet[Any]:
        """Narrow as far as the database can tell; ``find_keep`` sorts out the rest."""
        if status == Status.REVOKED:
            return rows.filter(revoked_at__isnull=False)
        rows = rows.filter(revoked_at=None)
        if status == Status.EXPIRED:
            return rows.filter(expires_at__lte=timezone.now())
        return rows


def find_keep(status: str | None) -> Callable[[TrustedOrigin], bool] | None:
    """Return the test of a grant's status that the database cannot make, for it takes the safety rules; or None."""
    if status is None or status == Status.REVOKED:
        return None
    now = timezone.now()
    return lambda grant: grant.status(now) == status

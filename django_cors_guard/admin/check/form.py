"""What may be asked about: one request of a page, as somebody types it or as a row of the database tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.core import headers as fields
from django_cors_guard.core.isolation import FetchMetadata, split_metadata
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.core.problems import Problem, show
from django_cors_guard.wording import word_mend, word_problem

MAX_PATH: Final = 2000
MAX_HOST: Final = 260
#: Offered for the method; any other can be typed.
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
METHODS_ID: Final = "cors-guard-methods"

#: Fetch writes these in upper case, however the page does: https://fetch.spec.whatwg.org/#concept-method-normalize
_NORMALISED: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
#: A page may set these without any preflight: https://fetch.spec.whatwg.org/#cors-safelisted-request-header
_SAFELISTED: Final = frozenset({"accept", "accept-language", "content-language"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?)(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Choice:
    """An environment that the user may ask about."""

    slug: str
    label: str


class CheckForm(forms.Form):
    """One request. It travels in the address, so that its answer can be linked; ``notes`` say what was read how."""

    environment = forms.ChoiceField(label=gettext_lazy("Environment"), required=False)
    origin = forms.CharField(
        label=gettext_lazy("Origin"),
        required=False,
        strip=False,
        max_length=fields.MAX_ORIGIN_LENGTH,
        widget=AdminTextInputWidget(attrs={"placeholder": "https://app.example.com", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Of the page that calls. “null” can be asked about, too. Images, scripts and links have none: leave it "
            "blank, and add a line such as “Sec-Fetch-Site: cross-site” to the request headers."
        ),
    )
    path = forms.CharField(
        label=gettext_lazy("Path"),
        max_length=MAX_PATH,
        widget=AdminTextInputWidget(attrs={"placeholder": "/api/public/hello", "spellcheck": "false"}),
        help_text=gettext_lazy("Or the whole address that the page calls."),
    )
    method = forms.CharField(
        label=gettext_lazy("Method"),
        required=False,
        max_length=fields.MAX_METHOD_LENGTH,
        widget=AdminTextInputWidget(attrs={"list": METHODS_ID, "placeholder": "GET", "spellcheck": "false"}),
        help_text=gettext_lazy("Blank: GET."),
    )
    headers = forms.CharField(
        label=gettext_lazy("Request headers"),
        required=False,
        max_length=fields.MAX_REQUEST_HEADERS_LENGTH,
        widget=AdminTextareaWidget(attrs={"rows": 2, "placeholder": "content-type, authorization"}),
        help_text=gettext_lazy(
            "Names of those that the page sets, with commas between them or one a line. Name content-type only if it "
            "is another than a form's: application/json is."
        ),
    )
    host = forms.CharField(
        label=gettext_lazy("Host"),
        required=False,
        max_length=MAX_HOST,
        widget=AdminTextInputWidget(attrs={"placeholder": "api.example.com", "spellcheck": "false"}),
        help_text=gettext_lazy("Only where routes tell hosts apart."),
    )

    def __init__(self, *args: Any, environments: Sequence[Choice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notes: list[str] = []
        self._host_of_address = ""
        choices = [(item.slug, item.label) for item in environments]
        self.fields["environment"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        self.metadata = FetchMetadata()

    def clean_origin(self) -> str:
        """Take whatever a request may send, in one piece; what people do not see is not what they mean."""
        text: str = self.cleaned_data["origin"].strip(" ")
        if not text:
            return text  # ``clean`` knows whether it may be
        if len(text.encode("utf-8", "backslashreplace")) > fields.MAX_ORIGIN_LENGTH:
            raise ValidationError(word_problem(Problem("too_long", "")), code="too_long")
        if not text.isprintable():
            raise ValidationError(word_problem(Problem("control_character", "")), code="control_character")
        parsed = parse_origin(text)
        if parsed.origin is not None and parsed.origin.is_pattern:
            raise ValidationError(
                _("That is a pattern, which no page has for its origin. Type an origin that it covers."), code="pattern"
            )
        if parsed.origin is not None and parsed.mended:
            mends = ", ".join(word_mend(mend) for mend in parsed.mended)
            words = _("“%(given)s” was read as %(origin)s, as browsers send it: %(mends)s.")
            self.notes.append(words % {"given": text, "origin": parsed.origin.text, "mends": mends})
        return text

    def clean_path(self) -> str:
        """Return the path as Django routes on it: decoded, and without query and fragment."""
        text: str = self.cleaned_data["path"]
        if not text.isprintable():
            raise ValidationError(
                _("There is an invisible character in it. Write it with a percent sign, as in %20."), code="no_path"
            )
        if text.lower().startswith(("http://", "https://")):
            try:
                address = urlsplit(text)
            except ValueError as error:
                raise ValidationError(_("That is no address that a browser could call."), code="no_path") from error
            self._host_of_address, text = address.netloc, address.path or "/"
        if not text.startswith("/"):
            raise ValidationError(_("Begin the path with a slash, as in /api/public/hello."), code="no_path")
        return unquote(text.partition("#")[0].partition("?")[0])

    def clean_method(self) -> str:
        """Return the method as browsers write it."""
        text: str = self.cleaned_data["method"].strip() or "GET"
        if not fields.is_token(text):
            raise ValidationError(word_problem(Problem("not_a_token", show(text))), code="not_a_token")
        if fields.is_forbidden_method(text):
            raise ValidationError(word_problem(Problem("forbidden_method", text)), code="forbidden_method")
        return text.upper() if text.upper() in _NORMALISED else text

    def clean_headers(self) -> tuple[str, ...]:
        """Return the names in lower case, without those that take no preflight; what browsers say is kept apart."""
        lines = self.cleaned_data["headers"].splitlines()
        self.metadata, _names = split_metadata(lines)
        names = read_names("\n".join(line for line in lines if not any(split_metadata([line])[0].fields)))
        if len(names) > fields.MAX_REQUEST_HEADERS:
            words = _("These are more than %(limit)d headers.")
            raise ValidationError(words % {"limit": fields.MAX_REQUEST_HEADERS}, code="too_many")
        problems = [problem for name in names if (problem := _find_fault(name)) is not None]
        if problems:
            raise ValidationError([ValidationError(word_problem(each), code=each.code) for each in problems[:5]])
        harmless = [name for name in names if name in _SAFELISTED]
        if harmless:
            words = _("Every page may set %(names)s, without asking; this was left out.")
            self.notes.append(words % {"names": ", ".join(harmless)})
        return tuple(name for name in names if name not in _SAFELISTED)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("origin") == "" and self.metadata.site is None:
            self.add_error("origin", ValidationError(word_problem(Problem("empty", "")), code="empty"))
        host = cleaned.get("host") or self._host_of_address
        if host and (len(host) > MAX_HOST or _HOST.fullmatch(host) is None):
            field = "host" if cleaned.get("host") else "path"
            words = _("Give a bare host name, such as api.example.com, with or without a port.")
            self.add_error(field, ValidationError(words, code="host"))
        return {**cleaned, "host": host}


def read_names(text: str) -> list[str]:
    """Return the header names in ``text``: between commas, or before the colon of a line that gives a value, too."""
    names: list[str] = []
    for line in text.splitlines():
        names += [line.partition(":")[0]] if ":" in line else line.split(",")
    return list(dict.fromkeys(name.strip().lower() for name in names if name.strip()))


def _find_fault(name: str) -> Problem | None:
    if not fields.is_token(name):
        return Problem("not_a_token", show(name))
    return Problem("forbidden_header", name) if fields.is_forbidden_request_header(name) else None

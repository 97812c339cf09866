"""What the API tells drf-spectacular of itself; nothing of it is needed to serve requests.

The views declare what they take and answer (``bodies``, ``answers``, ``permissions``, filters); this turns it into
OpenAPI. Components are prefixed, so that they meet none of the project's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from django_cors_guard.api.handler import PROBLEM_TYPE
from django_cors_guard.api.serializers.problem import ProblemSerializer
from django_cors_guard.api.wordbook import EXAMPLES, PARAMETERS

PREFIX: Final = "CorsGuard"
_JSON: Final = "application/json"
_NUMBERS: Final = frozenset({"after", "limit", "id", "older_than", "page_size", "pk", "revision"})
_TIMES: Final = frozenset({"since", "until"})
#: What every address may answer, whatever is asked of it.
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class CodeFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # it registers itself
    """A list of codes is a component of its own: its name hangs neither on the field nor on the project's settings."""

    target_class = "django_cors_guard.api.serializers.fields.CodeField"

    def get_name(self) -> str:
        return f"{PREFIX}{self.target.name}Enum"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.target.codes)}


class GuardSchema(AutoSchema):
    """Describes one action of one view."""

    view: Any

    def get_operation_id(self) -> str:
        noun = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__.removesuffix("ViewSet")).lower()
        return f"cors_guard_{noun}_{self.view.action}"

    def get_tags(self) -> list[str]:
        return ["cors-guard"]

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        return f"{PREFIX}{super().get_serializer_name(serializer, direction)}"

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def get_filter_backends(self) -> list[Any]:
        # They are described below, with the parameters of the page.
        return []

    def get_override_parameters(self) -> list[Any]:
        return [_describe_parameter(name, choices) for name, choices in self._list_parameters()]

    def get_request_serializer(self) -> Any:
        body = self.view.bodies.get(self.view.action)
        if body is not None and not body().fields:
            return {_JSON: {"type": "object", "additionalProperties": False}}
        return body

    def get_response_serializers(self) -> Any:
        answers: dict[Any, Any] = dict(self._list_answers())
        for status in self._list_errors():
            answers[status.value, PROBLEM_TYPE] = OpenApiResponse(ProblemSerializer, status.phrase)
        return answers

    def get_examples(self) -> list[Any]:
        example = EXAMPLES.get(self.get_operation_id())
        return [OpenApiExample("example", value=example, request_only=True)] if example is not None else []

    def _list_parameters(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        name = self._find_id()
        if name:
            yield name, ()
        for name in self.view.taking.get(self.view.action, ()):
            yield name, ()
        if self.view.action in self.view.narrowing:
            filters: Mapping[str, Any] = getattr(getattr(self.view, "filterset_class", None), "base_filters", {})
            for name, found in filters.items():
                yield name, tuple(code for code, _label in found.extra.get("choices", ()))
            for name in self.view.shape.parameters:
                yield name, self.view.shape.choices.get(name, ())

    def _find_id(self) -> str:
        """Return what the address calls the id: SCHEMA_COERCE_PATH_PK lets a project choose. Blank without one."""
        return next((name for name in ("id", "pk") if f"{{{name}}}" in self.path), "")

    def _list_answers(self) -> Iterator[tuple[Any, Any]]:
        found = self.view.answers.get(self.view.action, {HTTPStatus.OK: self.view.serializer_class})
        for status, answer in found.items():
            if isinstance(answer, Mapping):
                for media_type, text in answer.items():
                    yield (status.value, media_type), OpenApiResponse(OpenApiTypes.STR, text)
            else:
                yield (status.value, _JSON), OpenApiResponse(answer, status.phrase)

    def _list_errors(self) -> Iterator[HTTPStatus]:
        yield from _ALWAYS
        if self._find_id():
            yield HTTPStatus.NOT_FOUND
        if self.view.action in self.view.bodies:
            yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if self.view.action in self.view.conflicting:
            yield HTTPStatus.CONFLICT


def _describe_parameter(name: str, choices: tuple[str, ...]) -> OpenApiParameter:
    is_id = name in {"id", "pk"}
    text, example = PARAMETERS["id" if is_id else name]
    kind = OpenApiTypes.INT64 if name in _NUMBERS else OpenApiTypes.DATETIME if name in _TIMES else OpenApiTypes.STR
    return OpenApiParameter(
        name,
        kind,
        OpenApiParameter.PATH if is_id else OpenApiParameter.QUERY,
        description=str(text),
        enum=choices or None,
        examples=[OpenApiExample("example", value=example)],
    )

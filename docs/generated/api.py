"""The API, from its own schema: every address with what it takes, answers and asks for."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator

from django_cors_guard.api import urls
from django_cors_guard.api.permissions import IssuersToo
from docs.generated.markdown import anchor, code, codes, escape, table
from docs.generated.project import API_ROOT

PREFIX: Final = "CorsGuard"
#: What any address may answer is said once, on the page.
ALWAYS: Final = frozenset({"400", "401", "403", "405", "415", "429"})


@dataclass(frozen=True)
class Operation:
    """One method of one address; ``described`` is what the schema says of it."""

    method: str
    address: str
    described: Any
    permissions: tuple[str, ...]
    is_for_issuers: bool

    @property
    def title(self) -> str:
        """What a client writes."""
        return f"{self.method} {self.address}"


def make_schema() -> Any:
    """Return the schema of the API alone."""
    patterns = [path(API_ROOT, include(urls.urlpatterns))]
    generator: Any = SchemaGenerator
    return generator(patterns=patterns).get_schema(request=None, public=True)


def find_operations(schema: Any) -> list[Operation]:
    """Return every method of every address, in the order of the URLconf."""
    return list(_list_operations(schema))


def _list_operations(schema: Any) -> Iterator[Operation]:
    for pattern in urls.urlpatterns:
        view: Any = pattern.callback
        address = str(pattern.pattern).replace("<str:pk>", "{id}")
        for method, action in view.actions.items():
            if method == "head":
                continue
            yield Operation(
                method.upper(),
                address,
                schema["paths"][f"/{API_ROOT}{address}"][method],
                tuple(name.removeprefix("cors_guard.") for name in view.cls.permissions[action]),
                IssuersToo in view.cls.permission_classes,
            )


def describe() -> str:
    """Return a section for each address, and one for each kind of object."""
    schema = make_schema()
    operations = [_describe_operation(operation) for operation in find_operations(schema)]
    components = schema["components"]["schemas"]
    objects = [_describe_object(name, components[name]) for name in sorted(components)]
    return "\n\n".join(["## Addresses", *operations, "## Objects", *objects])


def _describe_operation(operation: Operation) -> str:
    found = operation.described
    return "\n\n".join(
        [
            f"{anchor(found['operationId'])}\n### {operation.title}",
            escape(found.get("description", "")),
            _describe_permissions(operation),
            *_describe_parameters(found.get("parameters", [])),
            *_describe_body(found.get("requestBody")),
            _describe_answers(found["responses"]),
        ]
    )


def _describe_permissions(operation: Operation) -> str:
    said = f"Permission: {codes(operation.permissions)}."
    return f"{said} Or an origin issuer whose shape the origin has." if operation.is_for_issuers else said


def _describe_parameters(parameters: list[Any]) -> list[str]:
    rows = [
        [code(item["name"]), _name_type(item["schema"]), escape(item["description"])]
        for item in sorted(parameters, key=lambda item: (item["in"] != "path", item["name"]))
    ]
    return [table(["parameter", "type", "meaning"], rows)] if rows else []


def _describe_body(body: Any) -> list[str]:
    if not body:
        return []
    (content,) = body["content"].values()
    return [f"Body: {_name_type(content['schema'])}."]


def _describe_answers(responses: Any) -> str:
    said = [
        f"{status} {HTTPStatus(int(status)).phrase}{_name_contents(response)}"
        for status, response in sorted(responses.items())
        if status not in ALWAYS
    ]
    return f"Answers: {'; '.join(said)}."


def _name_contents(response: Any) -> str:
    kinds = response.get("content", {})
    if set(kinds) <= {"application/json", "application/problem+json"}:
        named = [_name_type(content["schema"]) for content in kinds.values()]
    else:
        named = [code(kind) for kind in kinds]
    return f" ({', '.join(named)})" if named else ""


def _describe_object(name: str, found: Any) -> str:
    head = f"{anchor(f'api-{_short(name)}')}\n### {_short(name)}"
    said = [escape(found["description"])] if found.get("description") else []
    if "enum" in found:
        return "\n\n".join([head, *said, f"One of {codes(found['enum'])}."])
    required = set(found.get("required", ()))
    rows = [
        [code(key), _name_type(value), _describe_property(value, is_required=key in required)]
        for key, value in found.get("properties", {}).items()
    ]
    return "\n\n".join([head, *said, *([table(["field", "type", "meaning"], rows)] if rows else [])])


def _describe_property(value: Any, *, is_required: bool) -> str:
    said = value.get("description") or value.get("title", "")
    notes = [] if is_required or value.get("readOnly") else ["May be left out."]
    return " ".join([escape(said), *notes]).strip()


def _name_type(found: Any) -> str:
    """Return what a value is, with a link where it is an object of its own."""
    for key in ("$ref", "allOf", "oneOf"):
        if key in found:
            inner = found[key]
            return _link(inner) if key == "$ref" else " or ".join(map(_name_type, inner)) + _or_null(found)
    if found.get("type") == "array":
        return f"list of {_name_type(found['items'])}"
    if "enum" in found:
        return codes(found["enum"])
    return (found.get("format") or found.get("type") or "any value") + _or_null(found)


def _or_null(found: Any) -> str:
    return " or null" if found.get("nullable") else ""


def _link(reference: str) -> str:
    short = _short(reference.rsplit("/", 1)[-1])
    return f"[{short}](#api-{short})"


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)

"""The schema: it builds without a warning, says what the API does, and the API answers nothing else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.management.commands.spectacular import Command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from django_cors_guard.api import urls
from django_cors_guard.api.wordbook import EXAMPLES, PARAMETERS
from django_cors_guard.models import ApiGroup, Environment
from tests.api.conftest import ROOT, Api, MakeApi
from tests.factories import (
    FrontEndFactory,
    OriginUsageFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
    UserFactory,
)

PREFIX: Final = ROOT.rstrip("/")
#: Errors that any address may answer; the rest is named where it can happen.
ALWAYS: Final = {"400", "401", "403", "405", "415", "429"}


@pytest.fixture(scope="module")
def schema() -> Any:
    generator: Any = SchemaGenerator
    # Through JSON, as clients get it.
    return json.loads(json.dumps(generator().get_schema(request=None, public=True), default=str))


def list_operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


@pytest.fixture
def everything(db: None, production: Environment, public: ApiGroup) -> Api:
    front_end = FrontEndFactory.create()
    grant = TrustedOriginFactory.create(origin="https://app.example.com", front_end=front_end)
    OriginUsageFactory.create(trusted_origin=grant)
    RejectionFactory.create()
    RejectionFactory.create(origin="", path="", method="", kind="", overflow=True)
    RejectedOriginFactory.create()
    return Api(UserFactory.create(is_superuser=True))


def test_schema_is_valid_and_builds_without_a_warning(tmp_path: Path) -> None:
    target = tmp_path / "schema.yml"
    call_command(Command(), validate=True, fail_on_warn=True, file=str(target), skip_checks=True)
    assert "cors_guard_rejection_list" in target.read_text()


def test_schema_describes_every_address_and_method(schema: Any) -> None:
    described = {(path.removeprefix(ROOT).replace("{id}", "<str:pk>"), method) for path, method, _ in
                 list_operations(schema) if path.startswith(ROOT)}  # fmt: skip
    served = {
        (str(pattern.pattern), method)
        for pattern in urls.urlpatterns
        for method in pattern.callback.actions  # type: ignore[attr-defined]  # REST framework keeps them there
        if method != "head"
    }
    assert described == served


def test_components_are_prefixed_so_that_they_meet_none_of_the_projects(schema: Any) -> None:
    assert schema["components"]["schemas"]
    assert {name for name in schema["components"]["schemas"] if not name.startswith("CorsGuard")} == set()
    assert {operation["operationId"][:11] for _, _, operation in list_operations(schema)} == {"cors_guard_"}


def test_codes_are_enums_under_names_that_say_what_they_are(schema: Any) -> None:
    components = schema["components"]["schemas"]
    enums = {name: found["enum"] for name, found in components.items() if "enum" in found}
    assert enums["CorsGuardModeEnum"] == ["monitor", "enforce", "block"]
    assert enums["CorsGuardGrantStatusEnum"] == ["active", "expired", "revoked", "switched_off"]
    assert set(enums["CorsGuardRefusalEnum"]) < {*enums["CorsGuardReasonEnum"], ""}
    assert "CorsGuardRefusalEnum" in json.dumps(components["CorsGuardRejection"]["properties"]["reason"])


def test_parameters_are_all_described_with_an_example_of_their_type(schema: Any) -> None:
    met = set()
    for _, _, operation in list_operations(schema):
        for parameter in operation.get("parameters", []):
            met.add(parameter["name"])
            assert parameter["description"]
            ((_, example),) = parameter["examples"].items()
            Draft4Validator({key: value for key, value in parameter["schema"].items() if key != "enum"}).validate(
                example["value"]
            )
    assert met == set(PARAMETERS)


def test_filters_choose_from_what_the_schema_lists(schema: Any, everything: Api) -> None:
    tried = 0
    for path, method, operation in list_operations(schema):
        for parameter in operation.get("parameters", []):
            for value in parameter["schema"].get("enum", []):
                response = everything.send(method.upper(), f"{path.removeprefix(ROOT)}?{parameter['name']}={value}")
                assert response.status_code == 200, (path, parameter["name"], value)
                tried += 1
    assert tried > 50


def call(everything: Api, path: str, method: str, operation: Any) -> Any:
    """Call an operation as the schema's examples do, on the first row there is."""
    short = path.removeprefix(ROOT)
    if "{id}" in short:
        listed = everything.get(short.split("{")[0]).json()["results"]
        short = short.replace("{id}", str(listed[0]["id"]))
    if method == "get":
        return everything.get(short)
    if method == "delete":
        return everything.send("DELETE", f"{short}?origin=https://app.example.com")
    return everything.send(method.upper(), short, json.dumps(EXAMPLES[operation["operationId"]]))


def test_bodies_all_have_an_example(schema: Any) -> None:
    with_body = {operation["operationId"] for _, _, operation in list_operations(schema) if "requestBody" in operation}
    assert with_body == set(EXAMPLES)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        pytest.param("cors_guard_rejection_list", set(), id="list"),
        pytest.param("cors_guard_rejection_retrieve", {"404"}, id="single"),
        pytest.param("cors_guard_trusted_origin_create", {"201", "409", "413"}, id="trust"),
        pytest.param("cors_guard_rejected_origin_trust", {"201", "404", "409", "413"}, id="trust a card"),
        pytest.param("cors_guard_by_origin_issue", {"201", "409", "413"}, id="issue"),
        pytest.param("cors_guard_by_origin_withdraw", {"413"}, id="withdraw"),
        pytest.param("cors_guard_check_check", {"413"}, id="check"),
    ],
)
def test_answers_are_documented(name: str, extra: set[str], schema: Any) -> None:
    (operation,) = (found for _, _, found in list_operations(schema) if found["operationId"] == name)
    assert set(operation["responses"]) == {"200", *ALWAYS, *extra}
    for status, response in operation["responses"].items():
        expected = "application/json" if status < "300" else "application/problem+json"
        assert set(response["content"]) == {expected}


def test_exports_are_documented_in_both_forms(schema: Any) -> None:
    operation = schema["paths"][f"{PREFIX}/rejections/export/"]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"application/x-ndjson", "text/csv"}


def test_api_serves_without_drf_spectacular() -> None:
    code = (
        "import sys\n"
        "class Away:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'drf_spectacular':\n"
        "            raise ModuleNotFoundError(name, name='drf_spectacular')\n"
        "sys.meta_path.insert(0, Away())\n"
        "import django; django.setup()\n"
        "from django_cors_guard.api import urls\n"
        "from django_cors_guard.api.schema import GUARD_SCHEMA\n"
        "assert GUARD_SCHEMA is None and len(urls.urlpatterns) > 20\n"
    )
    root = Path(__file__).parent.parent.parent
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "sqlite://:memory:", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=root, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- the API against its schema ---------------------------------------------------------------------------------------


class Judge:
    """Checks answers against what the schema says of them."""

    def __init__(self, schema: Any) -> None:
        self.components = _as_json_schema(schema["components"])

    def check(self, operation: Any, response: Any) -> None:
        status = str(response.status_code)
        assert status in operation["responses"], f"{status} is not documented"
        media_type = response.headers["Content-Type"].split(";")[0]
        content = operation["responses"][status]["content"]
        assert media_type in content, f"{media_type} is not documented for {status}"
        if response.streaming:
            b"".join(response)
            return
        wanted = {"allOf": [_as_json_schema(content[media_type]["schema"])], "components": self.components}
        Draft4Validator(wanted).validate(response.json())


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says *nullable* where JSON Schema has the type null; what is not named may not come."""
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    if isinstance(node.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return {"anyOf": [found, {"type": "null"}]} if node.get("nullable") is True else found


@pytest.fixture
def judge(schema: Any) -> Judge:
    return Judge(schema)


OPERATIONS: Final = sorted(
    f"{method} {pattern.pattern}"
    for pattern in urls.urlpatterns
    for method in ("get", "post", "put", "delete")
    if method in pattern.callback.actions  # type: ignore[attr-defined]  # as above
)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_by_its_example_answers_as_documented(name: str, schema: Any, judge: Judge, everything: Api) -> None:
    method, _, short = name.partition(" ")
    path = ROOT + short.replace("<str:pk>", "{id}")
    operation = schema["paths"][path][method]
    response = call(everything, path, method, operation)
    assert response.status_code in {200, 201}, response.text
    judge.check(operation, response)


def test_errors_answer_as_documented(schema: Any, judge: Judge, everything: Api, api: MakeApi) -> None:
    for path, method, operation in list_operations(schema):
        short = path.removeprefix(ROOT).replace("{id}", "999")
        judge.check(operation, api().send(method.upper(), short))
        judge.check(operation, everything.send(method.upper(), f"{short}?nonsense=1"))
        judge.check(operation, everything.send(method.upper(), short, b"[", "application/json"))
        judge.check(operation, everything.send(method.upper(), short, b"x", "text/plain; charset=utf-7"))
    checkpoint = everything.get("rejections/", after=0)
    judge.check(schema["paths"][f"{PREFIX}/rejections/"]["get"], checkpoint)


ODD: Final = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(
        ["production", "public", "shop", "https://app.example.com", "null", "2026-05-03T12:00:00Z", "0", "1"]
    ),
)


@st.composite
def requests(draw: st.DrawFn, operations: list[tuple[str, str, Any]]) -> tuple[Any, str, str, Any]:
    """Draw an operation, an address with parameters that the schema knows, and a body of the schema's fields."""
    path, method, operation = draw(st.sampled_from(operations))
    parameters = operation.get("parameters", [])
    query = {}
    for parameter in parameters:
        if parameter["in"] == "query" and draw(st.integers(0, 3)) == 0:
            query[parameter["name"]] = draw(_values(parameter["schema"]))
    number = draw(st.one_of(st.integers(0, 3), st.integers()))
    address = path.removeprefix(ROOT).replace("{id}", str(number))
    encoded = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    body = None
    if "requestBody" in operation:
        example = EXAMPLES[operation["operationId"]]
        kept = {name: value for name, value in example.items() if draw(st.integers(0, 4))}
        odd = draw(st.dictionaries(st.sampled_from([*example, "note", "host", "expires_at"]), JSON_VALUES, max_size=2))
        body = {**kept, **odd}
    return operation, method, f"{address}?{encoded}", body


JSON_VALUES: Final = st.one_of(st.none(), st.booleans(), st.integers(), ODD, st.lists(ODD, max_size=3))


def _values(schema: Any) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.one_of(st.sampled_from(schema["enum"]), ODD)
    if schema["type"] == "integer":
        return st.one_of(st.integers(0, 1200), st.integers(), ODD)
    if schema.get("format") == "date-time":
        return st.one_of(st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"), ODD)
    return ODD


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_any_request_by_the_schema_gets_a_documented_answer(
    data: st.DataObject, schema: Any, judge: Judge, everything: Api
) -> None:
    operation, method, address, body = data.draw(requests(list(list_operations(schema))))
    content = b"" if body is None else json.dumps(body).encode()
    response = everything.send(method.upper(), address, content)
    assert response.status_code < 500
    judge.check(operation, response)

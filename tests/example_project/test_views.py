"""The example's APIs answer as an API should, whoever asks."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("example_project.urls")]


def test_hello_without_login_greets(client: Client) -> None:
    response = client.get("/api/public/hello")

    assert response.status_code == 200
    assert response.json()["message"] == "Hello from the public API."


def test_invoices_without_login_are_401_and_say_where_to_log_in(client: Client) -> None:
    response = client.get("/api/billing/invoices")

    assert response.status_code == 401
    assert response["WWW-Authenticate"]
    assert "http://testserver/login" in response.json()["detail"]


def test_invoices_after_login_are_listed(client: Client) -> None:
    client.force_login(User.objects.create_user("customer"))

    response = client.get("/api/billing/invoices")

    assert response.status_code == 200
    assert response.json()["account"] == "customer"
    assert {"number", "customer", "due", "total", "status"} <= response.json()["invoices"][0].keys()


@pytest.mark.parametrize("path", ["/api/public/hello", "/api/billing/invoices"])
def test_apis_refuse_to_be_written_to(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405

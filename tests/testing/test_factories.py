import inspect
import sys
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from factory.django import DjangoModelFactory

from django_cors_guard import conf
from django_cors_guard.models import ApiGroup, PolicyState, Rejection, TrustedOrigin
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.testing import factories, override_cors_guard

ALL = [getattr(factories, name) for name in factories.__all__]
#: Rows that nobody makes for a test of a project's own: the state, its story and the list of processes.
WITHOUT_FACTORY = {"PolicyState", "PolicyChange", "GuardProcess"}


def test_every_model_that_a_test_may_want_has_a_factory() -> None:
    models = {model.__name__ for model in apps.get_app_config("cors_guard").get_models()}
    made = {factory._meta.get_model_class().__name__ for factory in ALL}
    assert models - made == WITHOUT_FACTORY


@pytest.mark.parametrize("factory", ALL, ids=factories.__all__)
def test_factory_builds_without_a_database(factory: type[DjangoModelFactory[Any]]) -> None:
    assert factory.build().pk is None


@pytest.mark.django_db
@pytest.mark.parametrize("factory", ALL, ids=factories.__all__)
def test_factory_creates_a_valid_row(factory: type[DjangoModelFactory[Any]]) -> None:
    row = factory.create()
    if isinstance(row, PolicyModel):
        row.full_clean()
    assert type(row)._default_manager.get(pk=row.pk) == row


@pytest.mark.django_db
@pytest.mark.parametrize(
    "factory", [factories.TrustedOriginFactory, factories.OriginIssuerFactory], ids=lambda factory: factory.__name__
)
def test_factory_creates_a_second_row_beside_the_first(factory: type[DjangoModelFactory[Any]]) -> None:
    assert factory.create().pk != factory.create().pk


@pytest.mark.django_db
def test_factories_belong_to_the_active_environment() -> None:
    with override_cors_guard(ENVIRONMENT="staging"):
        assert conf.current().environment == "staging"
        grant = factories.TrustedOriginFactory.create()
        rejection = factories.RejectionFactory.create()
    assert grant.environment.slug == "staging"
    assert rejection.environment == "staging"


@pytest.mark.django_db
def test_factory_of_a_grant_writes_a_revision_as_any_write_does() -> None:
    before = PolicyState.read("default")
    factories.TrustedOriginFactory.create()
    assert PolicyState.read("default") != before


@pytest.mark.django_db
def test_factory_of_an_issuer_takes_api_groups() -> None:
    group = factories.ApiGroupFactory.create(slug="previews")
    issuer = factories.OriginIssuerFactory.create(api_groups=[group])
    assert list(issuer.api_groups.all()) == [group]


def test_factories_are_named_after_their_models() -> None:
    found = {
        name for name, thing in inspect.getmembers(factories, inspect.isclass) if issubclass(thing, DjangoModelFactory)
    }
    assert found - {"DjangoModelFactory"} == set(factories.__all__)
    assert factories.ApiGroupFactory._meta.get_model_class() is ApiGroup
    assert factories.TrustedOriginFactory._meta.get_model_class() is TrustedOrigin
    assert factories.RejectionFactory._meta.get_model_class() is Rejection


def test_factories_without_factory_boy_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "factory", None)
    monkeypatch.delitem(sys.modules, factories.__name__)
    with pytest.raises(ImportError, match=r'pip install "django-cors-guard\[testing\]"'):
        import_module(factories.__name__)

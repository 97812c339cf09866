"""The Django application: connects the modules that must not import each other. Nothing in here queries."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig, apps
from django.core.signals import setting_changed
from django.db.models.signals import m2m_changed, post_migrate, pre_delete, pre_save
from django.utils.translation import gettext_lazy as _


class CorsGuardConfig(AppConfig):
    """CORS as data: trusted origins in the database, enforced from memory."""

    name = "django_cors_guard"
    label = "cors_guard"
    verbose_name = _("CORS guard")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models have to be loaded before any of these can be imported.
        from django_cors_guard import checks, conf, metrics, presence, push, signals, store  # noqa: PLC0415
        from django_cors_guard.models import ApiGroup, OriginIssuer, receivers  # noqa: PLC0415

        checks.register_all()
        pre_save.connect(receivers.count_loaded_row, dispatch_uid="cors_guard.raw")
        groups = OriginIssuer.api_groups.through
        m2m_changed.connect(receivers.record_issuer_groups, sender=groups, dispatch_uid="cors_guard.issuer_groups")
        pre_delete.connect(receivers.record_lost_issuer, sender=OriginIssuer, dispatch_uid="cors_guard.lost_issuer")
        pre_delete.connect(receivers.record_lost_group, sender=ApiGroup, dispatch_uid="cors_guard.lost_group")
        post_migrate.connect(receivers.count_migration, sender=self, dispatch_uid="cors_guard.migrate")
        signals.policy_written.connect(store.look_again, dispatch_uid="cors_guard.store")
        presence.connect()
        push.connect()
        metrics.connect()
        setting_changed.connect(store.forget_settings, dispatch_uid="cors_guard.store")
        if conf.read_given().get("METRICS") == "prometheus" and find_spec("prometheus_client") is not None:
            import_module("django_cors_guard.prometheus").register()
        if apps.is_installed("drf_spectacular"):
            import_module("django_cors_guard.api.session_scheme")

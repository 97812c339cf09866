"""The Django application: connects the modules that must not import each other. Nothing in here queries."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.db.models.signals import post_migrate, pre_save
from django.utils.translation import gettext_lazy as _


class CorsGuardConfig(AppConfig):
    """CORS as data: trusted origins in the database, enforced from memory."""

    name = "django_cors_guard"
    label = "cors_guard"
    verbose_name = _("CORS guard")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models have to be loaded before any of these can be imported.
        from django_cors_guard import checks, signals, store  # noqa: PLC0415
        from django_cors_guard.models import receivers  # noqa: PLC0415

        checks.register_all()
        pre_save.connect(receivers.count_loaded_row, dispatch_uid="cors_guard.raw")
        post_migrate.connect(receivers.count_migration, sender=self, dispatch_uid="cors_guard.migrate")
        signals.policy_written.connect(store.look_again, dispatch_uid="cors_guard.store")
        setting_changed.connect(store.forget_settings, dispatch_uid="cors_guard.store")
